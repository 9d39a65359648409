// What every page has: theme, copy buttons, confirmation, and word when the server is gone.

const THEMES = ["system", "light", "dark"];
const root = document.documentElement;

function showTheme(toggle) {
  const theme = root.dataset.theme ?? "system";
  toggle.querySelector("[data-theme-name]").textContent = `Theme: ${theme}`;
  toggle.setAttribute("aria-label", `Colour theme: ${theme}`);
}

function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
  if (theme === "system") {
    delete root.dataset.theme;
    localStorage.removeItem("basket.theme");
  } else {
    root.dataset.theme = theme;
    localStorage.setItem("basket.theme", theme);
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = before), 1500);
}

// A browser offers its clipboard over TLS and on this very machine only.
function offerCopying(within) {
  if (!navigator.clipboard) return;
  for (const button of within.querySelectorAll("button.copy")) button.hidden = false;
}

function notice(text) {
  const place = document.getElementById("notice");
  if (!place) return;
  place.textContent = text;
  place.hidden = !text;
}

const toggle = document.querySelector("[data-theme-toggle]");
if (toggle) {
  showTheme(toggle);
  toggle.addEventListener("click", () => {
    nextTheme();
    showTheme(toggle);
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (button) copy(button);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) event.preventDefault();
  else if ("forget" in form.dataset) sessionStorage.clear();
});

document.addEventListener("htmx:afterSwap", (event) => offerCopying(event.target));
document.addEventListener("htmx:sendError", () =>
  notice("The server does not answer. What you see is the last it said; this page keeps asking."),
);
document.addEventListener("htmx:afterOnLoad", () => notice(""));

offerCopying(document);
// On a narrow screen the menu is a row to scroll: show where we are in it.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
