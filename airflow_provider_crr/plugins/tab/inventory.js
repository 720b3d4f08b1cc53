// What an S3InventorySummaryOperator counted.

import { banner, details, facts, h, key, section, table, tiles } from "./dom.js";
import { age, count, moment, share, size, things } from "./format.js";
import { bar, chip, meaningInS3, SETTLED, sorted } from "./status.js";

/** Prefixes that are shown at once; the others on demand. */
const FIRST = 10;

/** Objects and bytes of some statuses together. */
export function total(statuses, wanted = () => true) {
  const found = Object.entries(statuses).filter(([status]) => wanted(status));
  return found.reduce((all, [, { objects, bytes }]) => ({ objects: all.objects + objects, bytes: all.bytes + bytes }), {
    objects: 0,
    bytes: 0,
  });
}

/** What is neither COMPLETED nor REPLICA. */
export const unsettled = (statuses) => total(statuses, (status) => !SETTLED.has(status));

const noun = (summary) => (summary.versions === "current" ? "object" : "object version");

/** The page of a summary; `trend` is an element that is filled later. */
export function inventoryPage(summary, { state }, trend) {
  const open = unsettled(summary.statuses);
  const oldest = summary.oldest_pending;
  return [
    verdict(summary, state, open),
    tiles(
      [summary.versions === "current" ? "Objects" : "Object versions", count(summary.objects), size(summary.bytes)],
      ["Not replicated", count(open.objects), `${share(open.objects, summary.objects)}, ${size(open.bytes)}`],
      ["FAILED", count(summary.statuses.FAILED?.objects ?? 0), size(summary.statuses.FAILED?.bytes ?? 0)],
      ["Oldest PENDING", oldest ? age(oldest.age_seconds) : "none", oldest ? `written ${moment(oldest.last_modified)} UTC` : pendingNote(summary)],
    ),
    section("Trend", trend),
    summary.objects ? byStatus(summary) : null,
    prefixes(summary),
    oldest || summary.failed_sample.length
      ? section(
          "Objects to look at",
          oldest ? h("div", { class: "step step-pending" }, h("h3", {}, chip("PENDING"), h("span", { class: "note" }, `the oldest, for ${age(oldest.age_seconds)}`)), h("ul", { class: "sample" }, h("li", {}, key(oldest.uri)))) : null,
          failures(summary),
        )
      : null,
    section(
      "The report",
      facts(
        ["Source bucket", key(summary.source_bucket)],
        ["Listed by S3", `${moment(summary.created_at)} UTC; statuses are as of then`],
        ["Manifest", key(summary.manifest)],
        ["Format", summary.format],
        ["Versions counted", summary.versions === "all" ? `every version, ${count(summary.noncurrent_versions)} of them noncurrent` : summary.versions],
        ["Delete markers", `${count(summary.delete_markers)}, counted nowhere else`],
        summary.report_uri ? ["Report written", key(summary.report_uri)] : null,
        summary.failed_manifest_uri ? ["For Batch Replication", key(summary.failed_manifest_uri)] : null,
      ),
    ),
  ];
}

const pendingNote = (summary) => (summary.statuses.PENDING?.objects ? "age not in the report" : null);

function verdict(summary, state, open) {
  const note = state === "failed" ? "The task failed after it had counted this; its log says why." : null;
  const failed = summary.statuses.FAILED?.objects ?? 0;
  if (!summary.objects) return banner("empty", "Nothing to judge", `The report lists no ${noun(summary)}s`, note);
  if (!open.objects) return banner("good", "All replicated", `${things(summary.objects, noun(summary))} in ${summary.source_bucket}`, note);
  const parts = sorted(summary.statuses).filter((status) => !SETTLED.has(status) && summary.statuses[status].objects);
  const rest = parts.map((status) => `${count(summary.statuses[status].objects)} ${status}`).join(", ");
  const sentence = `${share(summary.objects - open.objects, summary.objects)} of ${things(summary.objects, noun(summary))} replicated; ${rest}`;
  return banner(failed ? "bad" : "watch", failed ? "Needs repair" : "Not all replicated", sentence, note);
}

function byStatus(summary) {
  const statuses = sorted(summary.statuses);
  const of = (field) => statuses.map((status) => [status, summary.statuses[status][field]]);
  const rows = statuses.map((status) => {
    const { objects, bytes } = summary.statuses[status];
    return [chip(status), count(objects), share(objects, summary.objects), size(bytes), share(bytes, summary.bytes), meaningInS3(status)];
  });
  return section(
    "By status",
    h("div", { class: "bars" }, h("span", { "aria-hidden": "true" }, "Objects"), bar(of("objects"), "Objects"),
      h("span", { "aria-hidden": "true" }, "Bytes"), bar(of("bytes"), "Bytes")),
    table("Objects and bytes by status", ["Status", "Objects", "Share", "Size", "Share", "Meaning"], rows, { class: "statuses" }),
  );
}

function prefixes(summary) {
  const row = ({ prefix, statuses }) => [prefix === "" ? h("span", { class: "note" }, "at the root") : key(prefix), ...volumes(statuses)];
  const bad = summary.prefixes.filter(({ statuses }) => unsettled(statuses).objects).map(row);
  const good = summary.prefixes.filter(({ statuses }) => !unsettled(statuses).objects).map(row);
  const { count: others, statuses } = summary.other_prefixes;
  const rest = others ? [[h("span", { class: "note" }, `${count(others)} more, together`), ...volumes(statuses)]] : [];
  if (!bad.length && !good.length && !rest.length) return null;
  const shown = (rows, caption) =>
    table(caption, ["Prefix", "Not replicated", "Size", "FAILED", "PENDING", "By status"], rows, { class: "prefixes" });
  const more = (rows, title) => (rows.length ? details(title, shown(rows, title)) : null);
  return section(
    bad.length ? "Worst prefixes" : "Prefixes",
    bad.length
      ? shown(bad.slice(0, FIRST), "Worst prefixes, most bytes not replicated first")
      : h("p", { class: "note" }, "In every prefix named here, everything is replicated."),
    more(bad.slice(FIRST), `${count(bad.length - FIRST)} more that are not all replicated`),
    more(good, `${count(good.length)} that are all replicated`),
    more(rest, "The rest, which the task did not name"),
  );
}

function volumes(statuses) {
  const open = unsettled(statuses);
  const number = (status) => count(statuses[status]?.objects ?? 0);
  return [
    count(open.objects), size(open.bytes), number("FAILED"), number("PENDING"),
    bar(sorted(statuses).map((status) => [status, statuses[status].objects]), "Objects", { class: "bar small" }),
  ];
}

function failures({ failed_sample: sample, statuses }) {
  if (!sample.length) return null;
  const all = statuses.FAILED?.objects ?? sample.length;
  const title = all > sample.length ? `${sample.length} of ${count(all)}` : "all of them";
  return h(
    "div",
    { class: "step step-failed" },
    h("h3", {}, chip("FAILED"), h("span", { class: "note" }, title)),
    h("p", {}, "S3 does not retry. Mend the cause, then run S3 Batch Replication."),
    h("ul", { class: "sample" }, sample.map((uri) => h("li", {}, key(uri)))),
  );
}
