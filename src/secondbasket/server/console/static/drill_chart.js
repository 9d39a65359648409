// The picture of a drill: in each second who answered, on what failed; and when the plug was out.

import { drawn } from "./dom.js";

const WIDTH = 720;
const HEIGHT = 240;
const LEFT = 36;
const RIGHT = WIDTH - 8;
const TOP = 26;
const FLOOR = HEIGHT - 28;
const COLOURS = 6;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

/**
 * Draws into `svg` anew. `seconds` holds one object a second: `answers` (as many numbers as there
 * are upstreams), `failed`, `refused`. `cut` is [from, until] in seconds, `until` null while it
 * lasts; `now` is how far the drill is, null once it has ended.
 */
export function draw(svg, { seconds, planned, cut = null, now = null }) {
  const span = Math.max(planned, seconds.length, 1);
  const most = Math.max(4, ...seconds.map(total));
  const x = (at) => LEFT + ((RIGHT - LEFT) * Math.min(at, span)) / span;
  const y = (count) => FLOOR - ((FLOOR - TOP) * count) / most;
  const shapes = [
    ...area(cut, now, x),
    ...grid(most, y),
    ...seconds.flatMap((second, at) => column(second, at, x, y)),
    ...ticks(span, x),
    ...moments(cut, x),
    ...present(now, x),
  ];
  svg.replaceChildren(...shapes.map(([name, attributes, ...text]) => drawn(svg, name, attributes, ...text)));
}

function total({ answers, failed, refused }) {
  return answers.reduce((sum, count) => sum + count, failed + refused);
}

function column({ answers, failed, refused }, at, x, y) {
  const parts = answers.map((count, series) => [`series-${series % COLOURS}`, count]);
  parts.push(["series-failed", failed], ["series-refused", refused]);
  const width = Math.max(1, x(at + 1) - x(at) - 2);
  let below = 0;
  return parts
    .filter(([, count]) => count > 0)
    .map(([series, count]) => {
      const top = y(below + count);
      const height = y(below) - top;
      below += count;
      return ["rect", { class: series, x: x(at) + 1, y: top, width, height }];
    });
}

function area(cut, now, x) {
  if (!cut) return [];
  const left = x(cut[0]);
  const width = Math.max(1, x(cut[1] ?? now ?? cut[0]) - left);
  return [["rect", { class: "cut-area", x: left, y: TOP, width, height: FLOOR - TOP }]];
}

function moments(cut, x) {
  if (!cut) return [];
  const told = [[cut[0], "taken away"]];
  if (cut[1] !== null) told.push([cut[1], "back"]);
  return told.flatMap(([at, text]) => [
    ["line", { class: "moment", x1: x(at), x2: x(at), y1: TOP - 16, y2: FLOOR }],
    ["text", { class: "tick moment-name", x: x(at) + 5, y: TOP - 8 }, text],
  ]);
}

function present(now, x) {
  return now === null ? [] : [["line", { class: "now", x1: x(now), x2: x(now), y1: TOP, y2: FLOOR }]];
}

function grid(most, y) {
  const step = Math.ceil(most / 4);
  const counts = Array.from({ length: Math.floor(most / step) + 1 }, (_, number) => number * step);
  return counts.flatMap((count) => [
    ["line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y(count), y2: y(count) }],
    ["text", { class: "tick", x: LEFT - 8, y: y(count) + 4, "text-anchor": "end" }, String(count)],
  ]);
}

function ticks(span, x) {
  const step = STEPS.find((each) => span / each <= 10) ?? 1200;
  const marks = Array.from({ length: Math.floor(span / step) + 1 }, (_, number) => number * step);
  return marks.map((at) => {
    const anchor = at ? (at === span ? "end" : "middle") : "start";
    return ["text", { class: "tick", x: x(at), y: HEIGHT - 8, "text-anchor": anchor }, `${at} s`];
  });
}
