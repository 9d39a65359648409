// The chat page: asks, shows the answer while it is written, stops it, and remembers the turns.

import { load, save } from "./history.js";
import { answer } from "./stream.js";
import { AnswerView, question } from "./turn.js";

const TOO_LONG = {
  message: "The answer was cut off at the most tokens the model may write.",
  hint: "Ask it to go on, or start a new chat.",
};

const BROKEN = {
  message: "The connection to the server broke off; what is above may be incomplete.",
  hint: "Check that the server is running (basket status), then ask again.",
};

/** What was said, for the model to read: questions that got no answer are left out. */
function said(turns) {
  return turns
    .filter(({ content }, at) => content && (at === turns.length - 1 || turns[at + 1].content))
    .map(({ role, content }) => ({ role, content }));
}

const composer = document.getElementById("composer");
if (composer) start();

function start() {
  const { url, receipts, token, owner, login } = composer.dataset;
  const field = document.getElementById("question");
  const log = document.getElementById("log");
  const model = document.getElementById("model");
  const dataClass = document.getElementById("data-class");
  const progress = document.getElementById("progress");
  const send = document.getElementById("send");
  const stop = document.getElementById("stop");
  const welcome = document.getElementById("welcome");
  let turns = load(owner);
  let running = null;

  function show(turn) {
    welcome.hidden = true;
    if (turn.role === "user") {
      log.append(question(turn.content));
      return;
    }
    const view = new AnswerView(turn.model);
    view.add({ text: turn.content, reasoning: turn.reasoning });
    view.end(turn);
    log.append(view.node);
  }

  /** Follow the answer, unless the reader has scrolled up to read. */
  function follow(change) {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    change();
    if (near) log.scrollTop = log.scrollHeight;
  }

  function busy(controller) {
    running = controller;
    stop.hidden = !controller;
    send.hidden = Boolean(controller);
  }

  async function ask(text) {
    const conversation = turns;
    const asked = { role: "user", content: text };
    conversation.push(asked);
    show(asked);
    const turn = { role: "assistant", content: "", reasoning: "", model: model.value };
    const view = new AnswerView(turn.model);
    log.append(view.node);
    log.scrollTop = log.scrollHeight;
    progress.textContent = "The model is answering.";
    const controller = new AbortController();
    busy(controller);
    try {
      await receive(turn, view, said(conversation), controller.signal);
    } catch {
      if (controller.signal.aborted) turn.stopped = true;
      else turn.error = BROKEN;
    }
    if (turn.id && !turn.receipt) turn.receipt = { url: receipts + turn.id };
    follow(() => view.end(turn));
    conversation.push(turn);
    if (conversation === turns) save(owner, turns);
    progress.textContent = outcome(turn);
    if (running !== controller) return;
    busy(null);
    field.focus();
  }

  async function receive(turn, view, messages, signal) {
    let ended = false;
    const body = { model: turn.model, messages, data_class: dataClass.value };
    for await (const line of answer(url, token, body, signal)) {
      if (line.id) turn.id = line.id;
      if (line.text || line.reasoning) {
        turn.content += line.text ?? "";
        turn.reasoning += line.reasoning ?? "";
        follow(() => view.add(line));
      }
      if (line.hop) {
        view.hop(line.hop);
        progress.textContent = `Now ${line.hop} answers.`;
      }
      if (line.error) turn.error = withRemedy(line.error);
      if (line.receipt) turn.receipt = line.receipt;
      if (line.finish === "length") turn.error = TOO_LONG;
      ended ||= Boolean(line.error || line.receipt);
    }
    if (!ended) throw new TypeError("the stream ended without a receipt");
  }

  function withRemedy(error) {
    if (!["invalid_api_key", "api_key_expired", "api_key_revoked"].includes(error.code)) return error;
    setTimeout(() => location.assign(login), 4000);
    return { ...error, hint: `${error.hint} Taking you to the sign-in page.`.trim() };
  }

  function outcome(turn) {
    if (turn.stopped) return "The answer was stopped.";
    if (turn.error) return `The answer failed: ${turn.error.message}`;
    return `The answer is complete. ${turn.receipt?.summary ?? ""}`;
  }

  function submit() {
    const text = field.value.trim();
    if (!text || running) return;
    field.value = "";
    ask(text);
  }

  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });

  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
  });

  stop.addEventListener("click", () => running?.abort());

  welcome.addEventListener("click", (event) => {
    const starter = event.target.closest("[data-ask]");
    if (starter && !running) ask(starter.dataset.ask);
  });

  document.getElementById("fresh").addEventListener("click", () => {
    running?.abort();
    busy(null);
    turns = [];
    save(owner, turns);
    log.replaceChildren(welcome);
    welcome.hidden = false;
    field.focus();
  });

  turns.forEach(show);
  log.scrollTop = log.scrollHeight;
  field.focus();
}
