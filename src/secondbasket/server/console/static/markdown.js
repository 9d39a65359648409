// Markdown blocks from the text of an answer. What is not understood stays the text it is:
// no HTML, no images, and links only to where they say they lead (see inline.js).

import { element } from "./dom.js";
import { inline } from "./inline.js";

const DEEPEST = 6;
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;
const DIVIDER = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** The blocks of `text` as [source, build] pairs; a block whose source stayed need not be rebuilt. */
export function blocks(text) {
  return split(text.replaceAll("\r\n", "\n").split("\n"), 0);
}

function split(lines, depth) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const [end, build] = block(lines, at, depth);
    found.push([lines.slice(at, end).join("\n"), build]);
    at = end;
  }
  return found;
}

function block(lines, at, depth) {
  const line = lines[at];
  const fence = FENCE.exec(line);
  if (fence) return fenced(lines, at, fence);
  const heading = HEADING.exec(line);
  // A page has one h1 and each answer stands below an h2.
  if (heading) {
    const level = Math.min(heading[1].length + 2, 6);
    return [at + 1, () => element(`h${level}`, {}, ...inline(heading[2]))];
  }
  if (RULE.test(line)) return [at + 1, () => element("hr")];
  if (depth < DEEPEST && QUOTE.test(line)) return quote(lines, at, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, depth);
  if (startsTable(lines, at)) return table(lines, at);
  return paragraph(lines, at, depth);
}

function fenced(lines, at, [, marks, language]) {
  let end = at + 1;
  while (end < lines.length && !closes(lines[end], marks)) end += 1;
  const code = lines.slice(at + 1, end).join("\n");
  return [Math.min(end + 1, lines.length), () => codeBlock(code, language)];
}

function closes(line, marks) {
  const text = line.trim();
  return text.length >= marks.length && text === marks[0].repeat(text.length);
}

function codeBlock(code, language) {
  const head = element("figcaption", {}, element("span", {}, language || "code"));
  if (navigator.clipboard) {
    const label = `Copy this ${language || "code"}`;
    const copy = element("button", { type: "button", class: "copy", "aria-label": label }, "Copy");
    copy.dataset.copy = code;
    head.append(copy);
  }
  const pre = element(
    "pre",
    { tabindex: "0", role: "group", "aria-label": language || "code" },
    element("code", {}, code),
  );
  return element("figure", { class: "code" }, head, pre);
}

function quote(lines, at, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return [end, () => element("blockquote", {}, ...build(split(inner, depth + 1)))];
}

function list(lines, at, depth) {
  const ordered = /\d/.test(ITEM.exec(lines[at])[2]);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const mark = ITEM.exec(lines[end]);
    if (!mark || /\d/.test(mark[2]) !== ordered || RULE.test(lines[end])) break;
    const indent = mark[0].length;
    const own = [lines[end].slice(indent)];
    end += 1;
    while (end < lines.length && belongs(lines, end, indent)) {
      own.push(lines[end].slice(Math.min(indent, leading(lines[end]))));
      end += 1;
    }
    items.push(own);
    let next = end;
    while (next < lines.length && !lines[next].trim()) next += 1;
    if (next > end && next < lines.length && ITEM.test(lines[next])) end = next;
  }
  const first = ordered ? Number.parseInt(lines[at].trim(), 10) : 1;
  const attributes = ordered && first !== 1 ? { start: String(first) } : {};
  return [
    end,
    () =>
      element(
        ordered ? "ol" : "ul",
        attributes,
        ...items.map((own) => element("li", {}, ...tight(build(split(own, depth + 1))))),
      ),
  ];
}

/** Whether a line goes on with an item whose text starts at column `indent`. */
function belongs(lines, at, indent) {
  const line = lines[at];
  if (!line.trim()) {
    return at + 1 < lines.length && leading(lines[at + 1]) >= Math.min(indent, 2) && Boolean(lines[at + 1].trim());
  }
  if (leading(line) >= Math.min(indent, 2)) return true;
  return Boolean(lines[at - 1].trim()) && !ITEM.test(line) && !starts(lines, at);
}

function leading(line) {
  return line.length - line.trimStart().length;
}

/** A list item of one paragraph reads better without the paragraph's margins. */
function tight(nodes) {
  return nodes[0]?.tagName === "P" ? [...nodes[0].childNodes, ...nodes.slice(1)] : nodes;
}

function startsTable(lines, at) {
  const below = lines[at + 1];
  return (
    lines[at].includes("|") &&
    below !== undefined &&
    below.includes("-") &&
    DIVIDER.test(below) &&
    cells(below).length === cells(lines[at]).length
  );
}

function table(lines, at) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && lines[end].trim()) end += 1;
  const head = cells(lines[at]);
  const rows = lines.slice(at + 2, end).map(cells);
  return [end, () => tableOf(head, rows)];
}

function tableOf(head, rows) {
  const cell = (name, attributes) => (text) => element(name, attributes, ...inline(text));
  const row = (texts) => element("tr", {}, ...head.map((_, i) => cell("td", {})(texts[i] ?? "")));
  const whole = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head.map(cell("th", { scope: "col" })))),
    element("tbody", {}, ...rows.map(row)),
  );
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table" },
    whole,
  );
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function paragraph(lines, at, depth) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !starts(lines, end)) end += 1;
  const text = lines
    .slice(at, end)
    .map((line) => line.trimStart())
    .join("\n");
  return [end, () => element("p", {}, ...inline(text.trimEnd()))];
}

function starts(lines, at) {
  const line = lines[at];
  return (
    FENCE.test(line) ||
    HEADING.test(line) ||
    RULE.test(line) ||
    QUOTE.test(line) ||
    ITEM.test(line) ||
    startsTable(lines, at)
  );
}

function build(found) {
  return found.map(([, make]) => make());
}
