// Statuses: their order, how they look, and what they mean.

import { h } from "./dom.js";
import { share } from "./format.js";

/** The replica is there. */
export const SETTLED = new Set(["COMPLETED", "REPLICA", "SUCCEEDED"]);

const MEANINGS = {
  FAILED: "it, or a change of its metadata, is not copied to some destination",
  PENDING: "it, or a change of its metadata, is not copied to every destination yet",
  NONE: "no replication status",
  MISSING: "no such object",
  DELETED: "a delete marker",
  FORBIDDEN: "S3 refused to answer",
  UNREADABLE: "cannot be asked, as with SSE-C",
  UNKNOWN: "no answer that can be read",
  COMPLETED: "copied to every destination",
  REPLICA: "is itself a copy made by replication",
  SUCCEEDED: "replicated by the job",
};
const ORDER = Object.keys(MEANINGS);

/** How a status looks: five kinds, and all that is refused or unknown. */
export function kind(status) {
  if (status === "SUCCEEDED") return "completed";
  return ["FAILED", "PENDING", "NONE", "COMPLETED", "REPLICA"].includes(status) ? status.toLowerCase() : "other";
}

export const meaning = (status) => MEANINGS[status] ?? "not a status that S3 documents";

/** What is true besides of an inventory report, which only S3 itself writes. */
const IN_S3 = { FAILED: "S3 gave up and never retries", NONE: "no status: S3 never tried" };
export const meaningInS3 = (status) => IN_S3[status] ?? meaning(status);

/** Statuses that occur, worst first. */
export function sorted(statuses) {
  const rank = (status) => (ORDER.includes(status) ? ORDER.indexOf(status) : 4.5);
  return Object.keys(statuses).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** A status with its colour. */
export const chip = (status) =>
  h("span", { class: "status" }, h("span", { class: `swatch is-${kind(status)}`, "aria-hidden": "true" }), status);

/** What is missing to a whole: not counted under any status yet. */
export const REST = "not done yet";

/** The parts of a bar of what is done: it stands on the left, and grows; at the right what has no status yet. */
export function growing(statuses, total) {
  const parts = sorted(statuses).toReversed().map((status) => [status, statuses[status]]);
  return [...parts, [REST, total - parts.reduce((sum, [, number]) => sum + number, 0)]];
}

/** Parts of a whole as one bar: [status, number]. A part that exists is never too thin to be seen. */
export function bar(parts, label, attributes = {}) {
  const drawn = parts.filter(([, number]) => number > 0);
  const all = drawn.reduce((sum, [, number]) => sum + number, 0);
  const spoken = drawn.map(([status, number]) => `${status} ${share(number, all)}`).join(", ");
  const segments = drawn.map(([status, number]) => {
    const segment = h("span", { class: `segment is-${status === REST ? "rest" : kind(status)}` });
    segment.style.flexGrow = String(number / all);
    return segment;
  });
  return h("div", { class: "bar", role: "img", "aria-label": `${label}: ${spoken || "nothing"}`, ...attributes }, segments);
}
