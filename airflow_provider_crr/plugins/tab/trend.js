// The reports of this task's earlier runs, each as three numbers over time.

import { returned, runsUpTo } from "./api.js";
import { details, h, s, table } from "./dom.js";
import { age, count, moment, size, things } from "./format.js";
import { unsettled } from "./inventory.js";
import { isSummary } from "./shape.js";

/** Runs that are looked at, this one among them. */
const RUNS = 30;
/** Requests at a time. */
const AT_ONCE = 6;

const MEASURES = [
  ["Not replicated", "objects when listed", (point) => point.open, count],
  ["Bytes PENDING", "on their way when listed", (point) => point.pendingBytes, size],
  ["Oldest PENDING", "its age when listed", (point) => point.oldest, age],
];
const [WIDTH, HEIGHT, EDGE] = [320, 88, 7];

/** Fill an element with the trend that ends in this summary. */
export async function fillTrend(element, ti, instance, summary) {
  element.replaceChildren(h("p", { class: "note" }, "Reading the earlier runs …"));
  let found;
  try {
    found = await earlier(ti, instance.run_after, summary);
  } catch (error) {
    element.replaceChildren(h("p", { class: "note" }, `The earlier runs cannot be read (HTTP ${error.status ?? "?"}).`));
    return;
  }
  const { points, others } = found;
  const omitted = others ? ` ${things(others, "run")} of another bucket, or that counted other versions, left out.` : "";
  if (points.length < 2) {
    element.replaceChildren(h("p", { class: "note" }, `No earlier run of this task has a report: the trend begins with the next one.${omitted}`));
    return;
  }
  element.replaceChildren(
    h("div", { class: "charts" }, MEASURES.map((measure) => chart(points, ...measure))),
    h("p", { class: "note" }, `${count(points.length)} reports, of the last ${RUNS} runs.${omitted}`),
    details("As a table", table("Trend, newest first", ["Listed by S3, UTC", ...MEASURES.map(([name]) => name)],
      points.toReversed().map((point) => [moment(point.at), ...MEASURES.map(([, , of, say]) => (of(point) === null ? "unknown" : say(of(point))))]), { class: "numbers" })),
  );
}

/** One point for each report of the same bucket: runs that read the same report are one. */
async function earlier(ti, runAfter, summary) {
  const runs = (await runsUpTo(ti, runAfter, RUNS)).filter((run) => run !== ti.run);
  const values = [];
  const next = async () => {
    for (let run = runs.shift(); run !== undefined; run = runs.shift()) values.push(await returned({ ...ti, run }));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  const reports = values.filter(isSummary);
  const same = reports.filter((one) => one.source_bucket === summary.source_bucket && one.versions === summary.versions);
  const before = same.filter((one) => one.created_at < summary.created_at);
  const unique = new Map([...before, summary].map((one) => [one.manifest, one]));
  const points = [...unique.values()].map(measured).sort((a, b) => (a.at < b.at ? -1 : 1));
  return { points, others: reports.length - same.length };
}

function measured({ created_at: at, statuses, oldest_pending: oldest }) {
  const pending = statuses.PENDING ?? { objects: 0, bytes: 0 };
  return {
    at,
    open: unsettled(statuses).objects,
    pendingBytes: pending.bytes,
    oldest: oldest ? oldest.age_seconds : pending.objects ? null : 0, // null: the report does not tell
  };
}

function chart(points, name, what, of, say) {
  const values = points.map(of);
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known, 1);
  const [first, last] = [Date.parse(points[0].at), Date.parse(points.at(-1).at)];
  const x = (point) => EDGE + ((Date.parse(point.at) - first) / (last - first || 1)) * (WIDTH - 2 * EDGE);
  const y = (value) => HEIGHT - EDGE - (value / most) * (HEIGHT - 2 * EDGE);
  const marks = points.map((point, index) => [point, values[index]]).filter(([, value]) => value !== null);
  const line = marks.map(([point, value], index) => `${index ? "L" : "M"}${x(point).toFixed(1)},${y(value).toFixed(1)}`).join("");
  const floor = HEIGHT - EDGE;
  const now = values.at(-1);
  const spoken = `${name}: ${known.length ? `from ${say(known[0])} to ${say(known.at(-1))}, at most ${say(Math.max(...known))}` : "unknown"}`;
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("span", { class: "name" }, name, ": ", what), h("span", { class: "value" }, now === null ? "unknown" : say(now)),
      h("span", { class: "note" }, change(values, say))),
    s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": spoken },
      s("line", { class: "floor", x1: 0, x2: WIDTH, y1: floor, y2: floor }),
      marks.length > 1 ? s("path", { class: "area", d: `${line}L${x(marks.at(-1)[0]).toFixed(1)},${floor}L${x(marks[0][0]).toFixed(1)},${floor}Z` }) : null,
      s("path", { class: "line", d: line }),
      marks.map(([point, value], index) =>
        s("circle", { class: index === marks.length - 1 ? "point last" : "point", cx: x(point).toFixed(1), cy: y(value).toFixed(1), r: index === marks.length - 1 ? 5 : 3 },
          s("title", {}, `${moment(point.at)} UTC: ${say(value)}`))),
    ),
    h("p", { class: "ends note" }, h("span", {}, points[0].at.slice(0, 10)), known.length ? h("span", {}, `highest ${say(Math.max(...known))}`) : null, h("span", {}, points.at(-1).at.slice(0, 10))),
  );
}

function change(values, say) {
  const [before, now] = values.slice(-2);
  if (before === null || now === null) return "";
  if (before === now) return "as in the report before";
  return `${now > before ? "+" : "−"}${say(Math.abs(now - before))} since the report before`;
}
