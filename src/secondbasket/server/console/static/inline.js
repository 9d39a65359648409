// Markdown within a line, as nodes: code, emphasis, links. An image becomes the words for it,
// because fetching one would tell another host what was said here.

import { element } from "./dom.js";

const DEEPEST = 6;
const ESCAPABLE = /[\\`*_{}[\]()#+\-.!|<>~]/;
const BARE = /^https?:\/\/[^\s<>"'`|]+/;
const MARKS = [
  ["***", "strong-em"],
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
];

/** `links` is false inside a link's own label, which must not show a second address. */
export function inline(text, depth = 0, links = true) {
  const nodes = [];
  // Once a closing mark was looked for in vain, it is not further on either.
  const hopeless = new Set();
  let plain = "";
  let at = 0;
  const put = (node) => {
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(node);
  };
  while (at < text.length) {
    const found = depth < DEEPEST ? special(text, at, depth, links, hopeless) : null;
    if (!found) {
      plain += text[at];
      at += 1;
    } else if (typeof found.node === "string") {
      plain += found.node;
      at = found.end;
    } else {
      put(found.node);
      at = found.end;
    }
  }
  if (plain) nodes.push(plain);
  return nodes;
}

function special(text, at, depth, links, hopeless) {
  const sign = text[at];
  if (sign === "\\" && ESCAPABLE.test(text[at + 1] ?? "")) return { node: text[at + 1], end: at + 2 };
  if (sign === "\\" && text[at + 1] === "\n") return { node: element("br"), end: at + 2 };
  if (sign === "\n") return { node: hardBreak(text, at) ? element("br") : "\n", end: at + 1 };
  if (sign === "`") return code(text, at, hopeless);
  if (sign === "!" && text[at + 1] === "[") return image(text, at);
  if (sign === "[" && links) return link(text, at, depth);
  if ((sign === "<" || sign === "h") && links) return address(text, at);
  if (sign === "*" || sign === "_" || sign === "~") {
    return emphasis(text, at, depth, links, hopeless);
  }
  return null;
}

function hardBreak(text, at) {
  return text.slice(Math.max(at - 2, 0), at) === "  ";
}

function code(text, at, hopeless) {
  let length = 1;
  while (text[at + length] === "`") length += 1;
  const marks = "`".repeat(length);
  let close = hopeless.has(marks) ? -1 : text.indexOf(marks, at + length);
  while (close >= 0 && text[close + length] === "`") {
    let past = close + length;
    while (text[past] === "`") past += 1;
    close = text.indexOf(marks, past);
  }
  if (close < 0) {
    hopeless.add(marks);
    return { node: marks, end: at + length };
  }
  const inner = text.slice(at + length, close).replaceAll("\n", " ");
  const trimmed = /^ .*[^ ].* $/.test(inner) ? inner.slice(1, -1) : inner;
  return { node: element("code", {}, trimmed), end: close + length };
}

/** The label and target of `[label](target "title")` whose bracket opens at `at`, or null. */
function bracketed(text, at) {
  let open = 0;
  let close = at;
  const most = Math.min(text.length, at + 1000);
  for (; close < most; close += 1) {
    if (text[close] === "\\") close += 1;
    else if (text[close] === "[") open += 1;
    else if (text[close] === "]" && (open -= 1) === 0) break;
  }
  if (text[close] !== "]" || text[close + 1] !== "(") return null;
  const tail = /^\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/;
  const target = tail.exec(text.slice(close + 1, close + 4000));
  if (!target) return null;
  return { label: text.slice(at + 1, close), target: target[1], end: close + 1 + target[0].length };
}

function image(text, at) {
  const found = bracketed(text, at + 1);
  if (!found) return null;
  const words = found.label ? `[image not shown: ${found.label}]` : "[image not shown]";
  return { node: element("span", { class: "not-shown" }, words), end: found.end };
}

function link(text, at, depth) {
  const found = bracketed(text, at);
  if (!found) return null;
  const url = safe(found.target);
  // Where a link may not lead, its label is left as the words it is.
  if (!url) return { node: element("span", {}, ...inline(found.label, depth + 1)), end: found.end };
  return { node: anchor(url, inline(found.label, depth + 1, false)), end: found.end };
}

function address(text, at) {
  const angled = text[at] === "<";
  const found = BARE.exec(text.slice(at + (angled ? 1 : 0), at + 2000));
  if (!found || (angled && text[at + 1 + found[0].length] !== ">")) return null;
  const shown = angled ? found[0] : found[0].replace(/[.,;:!?*_~)\]]+$/, "");
  const url = safe(shown);
  if (!url) return null;
  return { node: anchor(url, [shown]), end: at + shown.length + (angled ? 2 : 0) };
}

/** The parsed address, when it is plain http or https and hides no user name; else null. */
function safe(target) {
  if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) return null;
  const url = new URL(target);
  return url.username || url.password ? null : url;
}

function anchor(url, label) {
  const to = { href: url.href, rel: "noopener noreferrer nofollow", target: "_blank" };
  return element(
    "span",
    { class: "link" },
    element("a", to, ...label),
    element("span", { class: "host" }, ` (${url.host})`),
  );
}

function emphasis(text, at, depth, links, hopeless) {
  for (const [mark, name] of MARKS) {
    if (!text.startsWith(mark, at) || hopeless.has(mark)) continue;
    const from = at + mark.length;
    if (!text[from] || /\s/.test(text[from]) || text[from] === mark[0]) continue;
    if (mark[0] === "_" && /\w/.test(text[at - 1] ?? "")) continue;
    const close = closing(text, from, mark);
    if (close < 0) {
      hopeless.add(mark);
      continue;
    }
    const inner = inline(text.slice(from, close), depth + 1, links);
    const node =
      name === "strong-em"
        ? element("strong", {}, element("em", {}, ...inner))
        : element(name, {}, ...inner);
    return { node, end: close + mark.length };
  }
  let length = 1;
  while (text[at + length] === text[at]) length += 1;
  return { node: text.slice(at, at + length), end: at + length };
}

/** Where the closing `mark` stands: in a run of its own, or at the end of a run of three. */
function closing(text, from, mark) {
  let close = text.indexOf(mark, from + 1);
  while (close >= 0) {
    let end = close + mark.length;
    while (text[end] === mark[0]) end += 1;
    const fits = end - close === mark.length || (end - close === 3 && mark[0] !== "~");
    const word = mark[0] === "_" && /\w/.test(text[end] ?? "");
    if (fits && !word && !/\s/.test(text[close - 1])) return end - mark.length;
    close = text.indexOf(mark, end);
  }
  return -1;
}
