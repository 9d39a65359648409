// One turn of the conversation on the page: a question, or an answer with its receipt.

import { element, problem } from "./dom.js";
import { blocks } from "./markdown.js";

export function question(text) {
  return element(
    "article",
    { class: "turn asked" },
    element("h2", { class: "unseen" }, "You"),
    element("p", {}, text),
  );
}

export class AnswerView {
  #drawn = [];
  #text = "";
  #reasoning = "";
  #pending = 0;

  constructor(model) {
    this.body = element("div", { class: "prose" });
    this.thought = element("p", {});
    this.thinking = element("details", { class: "thinking" }, element("summary", {}, "Thinking"), this.thought);
    this.thinking.hidden = true;
    this.foot = element("footer", {});
    this.node = element(
      "article",
      { class: "turn answered", "aria-busy": "true" },
      element("h2", { class: "unseen" }, `Answer of ${model}`),
      this.thinking,
      this.body,
      this.foot,
    );
    this.body.append(element("p", { class: "waiting", "aria-hidden": "true" }, "…"));
  }

  get text() {
    return this.#text;
  }

  add({ text = "", reasoning = "" }) {
    this.#text += text;
    this.#reasoning += reasoning;
    // Tokens can come faster than the screen shows them: draw once a frame.
    if (!this.#pending) this.#pending = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#pending);
    this.#pending = 0;
    if (this.#reasoning) {
      this.thinking.hidden = false;
      this.thought.textContent = this.#reasoning;
    }
    if (!this.#text) return;
    const found = blocks(this.#text);
    let same = 0;
    while (same < this.#drawn.length && this.#drawn[same] === found[same]?.[0]) same += 1;
    while (this.body.childNodes.length > same) this.body.lastChild.remove();
    this.body.append(...found.slice(same).map(([, build]) => build()));
    this.#drawn = found.map(([source]) => source);
  }

  /** Another upstream had to take over: said until the end tells all of it. */
  hop(name) {
    this.foot.replaceChildren(element("p", { class: "story" }, `Now ${name} answers.`));
  }

  /** `turn` is what history keeps of an answer: text, and receipt, error or stopped where there is one. */
  end({ receipt, error, stopped }) {
    this.#draw();
    if (!this.#text) this.body.replaceChildren();
    this.node.setAttribute("aria-busy", "false");
    this.foot.replaceChildren();
    if (stopped) this.foot.append(element("p", { class: "muted" }, "You stopped this answer."));
    if (error) this.foot.append(problem(error));
    if (receipt?.story) this.foot.append(element("p", { class: "story" }, receipt.story));
    if (receipt) this.foot.append(receiptView(receipt));
  }
}

/** A receipt with its rows, or, of an answer that was stopped, the way to it. */
function receiptView({ summary, rows, url }) {
  const link = element("a", { href: url }, "Open the receipt");
  if (!rows) return element("p", { class: "receipt-link" }, link);
  const facts = rows.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", style(name), value)),
  );
  return element(
    "details",
    { class: "receipt" },
    element("summary", {}, summary),
    element("dl", { class: "facts" }, ...facts),
    link,
  );
}

function style(name) {
  return name === "Receipt" || name === "Weights" ? { class: "code" } : {};
}
