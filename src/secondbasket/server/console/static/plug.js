// Before the plug is pulled: what the choice would take away, and who would be left.

const form = document.getElementById("plug");
if (form) start();

function start() {
  const sure = document.getElementById("sure");

  function show() {
    const cuts = chosen();
    for (const effect of form.querySelectorAll(".effect")) {
      effect.hidden = effect.dataset.basket !== form.elements.basket.value;
      if (!effect.hidden) tell(effect, cuts);
    }
    const live = form.elements.traffic.value === "live";
    sure.hidden = !live;
    form.elements.sure.required = live;
  }

  function chosen() {
    return new Set([...form.querySelectorAll("[name=cut]:checked")].map(({ value }) => value.toLowerCase()));
  }

  form.addEventListener("change", show);
  show();
}

function tell(effect, cuts) {
  const upstreams = [...effect.querySelectorAll("[data-cuts]")];
  let left = 0;
  for (const upstream of upstreams) {
    const away = JSON.parse(upstream.dataset.cuts).some((cut) => cuts.has(cut));
    left += !away;
    upstream.classList.toggle("away", away);
    upstream.querySelector("[data-mark]").textContent = away ? "taken away" : "left";
  }
  effect.querySelector("[data-told]").textContent = sentence(left, upstreams.length, cuts.size);
}

function sentence(left, total, cuts) {
  if (!cuts) return "Choose what to take away.";
  if (left === total) return "Nobody behind this name would notice.";
  if (!left) return "Nobody would be left: requests will fail, and the drill will say so.";
  return `${left} of ${total} would be left to answer.`;
}
