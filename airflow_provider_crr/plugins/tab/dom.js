// Elements. Data becomes text nodes and nothing else: there is no way from here to markup.

import { moment, pieces } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** An HTML element; children are elements or text, null is left out. */
export const h = (name, attributes = {}, ...children) => build(document.createElement(name), attributes, children);

/** An SVG element. */
export const s = (name, attributes = {}, ...children) =>
  build(document.createElementNS(SVG, name), attributes, children);

/** A key, prefix or URI: what cannot be seen in it is spelled out. */
export function key(text) {
  const shown = pieces(text).map(([piece, unseen]) => (unseen ? h("span", { class: "unseen" }, piece) : piece));
  return h("code", { dir: "ltr" }, shown);
}

/** A section with its heading. */
export const section = (title, ...children) => h("section", {}, h("h2", {}, title), children);

/** What the page says first: how it stands, what is known, and what else is to be said of it. */
export function banner(level, word, sentence, ...notes) {
  const signs = { good: "✓", bad: "!", watch: "!", moving: "…", empty: "–" };
  return h(
    "header",
    { class: `banner level-${level}` },
    h("span", { class: "sign", "aria-hidden": "true" }, signs[level]),
    h("div", { class: "verdict" }, h("h1", {}, word), h("p", {}, sentence), notes.filter(Boolean).map((note) => h("p", { class: "note" }, note))),
  );
}

/** Figures in a row: [name, value, what stands below it]. */
export const tiles = (...figures) =>
  h(
    "dl",
    { class: "tiles" },
    figures
      .filter(Boolean)
      .map(([name, value, note]) =>
        h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value), note && h("dd", { class: "note" }, note)),
      ),
  );

/** Names and values, as they are. */
export const facts = (...pairs) =>
  h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

/** A table; the first cell of each row is its heading. */
export function table(caption, heads, rows, attributes = {}) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      attributes,
      h("caption", { class: "spoken" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map(([first, ...rest]) =>
        h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", {}, cell))))),
    ),
  );
}

/** A moment as text that goes on with time: `say` gets the moment, and the milliseconds now. */
export function ticking(at, say) {
  const element = h("time", { datetime: at, title: `${moment(at)} UTC` }, say(at, Date.now()));
  element.say = () => say(at, Date.now());
  return element;
}

/** Let every such text of a page go on. What is selected or read aloud stays as long as the text does. */
export function tick(page) {
  for (const element of page.querySelectorAll("time")) {
    const text = element.say?.();
    if (text !== undefined && text !== element.textContent) element.textContent = text;
  }
}

/** What is shown only when asked for. */
export const details = (title, ...children) => h("details", {}, h("summary", {}, title), children);
