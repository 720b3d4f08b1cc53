// The wait so far as a small picture: how many objects were done, and how many there were, over time.

import { h, s } from "./dom.js";
import { age, count } from "./format.js";

const [WIDTH, HEIGHT, EDGE] = [640, 110, 6];

const WHAT = "Replicated";

/** A figure of the points [seconds since the wait began, done, total]; null if nothing has changed yet. */
export function picture(history) {
  const points = history.filter(([, , total]) => total > 0);
  if (new Set(points.map(([, done]) => done)).size < 2) return null;
  const [first, last] = [points[0], points.at(-1)];
  const span = last[0] - first[0] || 1;
  const most = Math.max(...points.map(([, , total]) => total));
  const x = ([seconds]) => EDGE + ((seconds - first[0]) / span) * (WIDTH - 2 * EDGE);
  const floor = HEIGHT - EDGE;
  const y = (number) => floor - (number / most) * (HEIGHT - 3 * EDGE);
  const line = (of) => points.map((point, index) => `${index ? "L" : "M"}${x(point).toFixed(1)},${y(of(point)).toFixed(1)}`).join("");
  const done = line((point) => point[1]);
  const spoken = `${WHAT} over ${age(span)}: from ${count(first[1])} of ${count(first[2])} to ${count(last[1])} of ${count(last[2])}`;
  return h(
    "figure",
    { class: "chart wait" },
    h("figcaption", {}, h("span", { class: "name" }, WHAT, " since the wait began")),
    s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": spoken },
      s("line", { class: "floor", x1: 0, x2: WIDTH, y1: floor, y2: floor }),
      s("path", { class: "whole", d: line((point) => point[2]) }),
      s("path", { class: "area", d: `${done}L${x(last).toFixed(1)},${floor}L${x(first).toFixed(1)},${floor}Z` }),
      s("path", { class: "line", d: done }),
      s("circle", { class: "point last", cx: x(last).toFixed(1), cy: y(last[1]).toFixed(1), r: 4.5 }),
    ),
    h("p", { class: "ends note" }, h("span", {}, `after ${age(first[0])}`), h("span", {}, `${count(last[1])} of ${count(last[2])}`), h("span", {}, `after ${age(last[0])}`)),
  );
}
