// Statuses: their order, how they look, and what they mean.

import { h } from "./dom.js";
import { share } from "./format.js";

/** The replica is there. */
export const SETTLED = new Set(["COMPLETED", "REPLICA"]);

const MEANINGS = {
  FAILED: "not copied to some destination",
  PENDING: "not copied to every destination yet",
  NONE: "no replication status",
  MISSING: "no such object",
  DELETED: "a delete marker",
  FORBIDDEN: "S3 refused to answer",
  UNREADABLE: "cannot be asked, as with SSE-C",
  UNKNOWN: "no answer that can be read",
  COMPLETED: "copied to every destination",
  REPLICA: "is itself a copy made by replication",
};
const ORDER = Object.keys(MEANINGS);

/** How a status looks: five kinds, and all that is refused or unknown. */
export function kind(status) {
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

/** Parts of a whole as one bar: [status, number]. A part that exists is never too thin to be seen. */
export function bar(parts, label, attributes = {}) {
  const drawn = parts.filter(([, number]) => number > 0);
  const all = drawn.reduce((sum, [, number]) => sum + number, 0);
  const spoken = drawn.map(([status, number]) => `${status} ${share(number, all)}`).join(", ");
  const segments = drawn.map(([status, number]) => {
    const segment = h("span", { class: `segment is-${kind(status)}` });
    segment.style.flexGrow = String(number / all);
    return segment;
  });
  return h("div", { class: "bar", role: "img", "aria-label": `${label}: ${spoken || "nothing"}`, ...attributes }, segments);
}
