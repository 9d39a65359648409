// The conversation, kept in this tab and for this key only. It ends with the tab or the session.

const place = (owner) => `basket.chat.${owner}`;

export function load(owner) {
  const kept = sessionStorage.getItem(place(owner));
  return kept ? JSON.parse(kept) : [];
}

export function save(owner, turns) {
  sessionStorage.setItem(place(owner), JSON.stringify(turns));
}
