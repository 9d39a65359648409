// Runs before the page is drawn, so that a chosen theme does not flash past.
(() => {
  const chosen = localStorage.getItem("basket.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
