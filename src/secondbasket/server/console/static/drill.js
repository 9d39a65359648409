// A drill: live while it runs, told moment by moment; or from the table of its report.

import { element, problem } from "./dom.js";
import { draw } from "./drill_chart.js";
import { lines } from "./stream.js";

const AGAIN_MS = 1000;

const PHASES = {
  waiting: "Waiting until everybody behind it is up.",
  before: "All is there. Nothing has been taken away yet.",
  cut: "The plug is out.",
  after: "It is back.",
  done: "The drill is over.",
  "broken off": "The drill was broken off. What was taken away is back.",
};

const svg = document.querySelector(".drill-chart");
const table = document.getElementById("seconds");
const names = JSON.parse(table.dataset.names);
const planned = Number(svg.dataset.seconds);
const live = document.getElementById("drill");

if (live) watch();
else draw(svg, { seconds: readTable(), planned, cut: readCut() });

function readTable() {
  return [...table.tBodies[0].rows].map((row) => {
    const counts = [...row.cells].slice(1).map((cell) => Number(cell.textContent));
    return { answers: counts.slice(0, names.length), failed: counts[names.length], refused: counts[names.length + 1] };
  });
}

function readCut() {
  const { cutFrom, cutUntil } = svg.dataset;
  return cutFrom === undefined ? null : [Number(cutFrom), Number(cutUntil)];
}

/** What has been told of a drill so far, second by second. */
class Progress {
  seconds = [];
  cut = null;
  phase = "";
  at = 0;
  #before = { answered_by: {}, failed: 0, refused_by_policy: 0 };

  add(moment) {
    // What ended between two moments is drawn in the second that lies in the middle of them.
    const second = this.#second(Math.floor((this.at + moment.at) / 2));
    names.forEach((name, series) => {
      second.answers[series] += (moment.answered_by[name] ?? 0) - (this.#before.answered_by[name] ?? 0);
    });
    second.failed += moment.failed - this.#before.failed;
    second.refused += moment.refused_by_policy - this.#before.refused_by_policy;
    this.#before = moment;
    this.at = moment.at;
    if (moment.phase !== this.phase) this.#enter(moment.phase);
  }

  #second(at) {
    while (this.seconds.length <= at) {
      this.seconds.push({ answers: names.map(() => 0), failed: 0, refused: 0 });
    }
    return this.seconds[at];
  }

  #enter(phase) {
    this.phase = phase;
    if (phase === "cut") this.cut = [this.at, null];
    else if (this.cut && this.cut[1] === null) this.cut[1] = this.at;
  }
}

async function watch() {
  for (;;) {
    try {
      if (await follow()) return;
    } catch {
      // The server or the network went away for a moment; the drill goes on without us.
    }
    await new Promise((wake) => setTimeout(wake, AGAIN_MS));
  }
}

/** Follow the drill from its first moment; whether it has ended. */
async function follow() {
  const progress = new Progress();
  for await (const line of lines(live.dataset.moments)) {
    if (line.error) {
      // What is no longer running has its report here, or the reason why there is none.
      if (line.error.code === "not_found") location.reload();
      else fail(line.error);
      return true;
    }
    if (line.ended) {
      location.reload();
      return true;
    }
    const before = progress.phase;
    progress.add(line.moment);
    show(progress, line.moment);
    if (before !== progress.phase) tell(line.moment);
  }
  return false;
}

function fail(error) {
  document.getElementById("problem").replaceChildren(problem(error));
  document.querySelector(".phase-row form").hidden = true;
}

function tell({ phase, requests, answered }) {
  const sofar = requests ? ` ${answered} of ${requests} requests answered so far.` : "";
  const node = document.getElementById("phase");
  node.textContent = PHASES[phase] + sofar;
  node.dataset.phase = phase;
}

function show(progress, moment) {
  draw(svg, { seconds: progress.seconds, planned, cut: progress.cut, now: progress.at });
  table.tBodies[0].replaceChildren(...progress.seconds.map(row));
  figure("answered", share(moment.answered, moment.requests));
  figure("failed", String(moment.failed));
  figure("refused", String(moment.refused_by_policy));
  figure("p50", duration(moment.switch_ms_p50));
  figure("p95", duration(moment.switch_ms_p95));
  figure("streams", `${moment.streams_continued} / ${moment.streams_broken}`);
}

function row({ answers, failed, refused }, at) {
  const counts = [...answers, failed, refused];
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, String(at)),
    ...counts.map((count) => element("td", { class: "number" }, String(count))),
  );
}

function figure(key, text) {
  document.querySelector(`[data-figure="${key}"]`).textContent = text;
}

function share(part, whole) {
  return whole ? `${part} of ${whole}` : "–";
}

function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}
