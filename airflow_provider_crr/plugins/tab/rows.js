// Waits in a table, a row each.

import { h, key, ticking } from "./dom.js";
import { age, away, clock, count, share } from "./format.js";
import { bar, growing } from "./status.js";

/** What a wait is for, in few words: its first object, and how many more there are. */
export function target(value) {
  const { objects = 0, patterns = 0, sample = [] } = value?.targets ?? {};
  if (!sample?.length) return h("div", { class: "target note" }, value ? (value.message ?? "") : "not known");
  const more = (objects ?? 0) + (patterns ?? 0) - 1;
  return h("div", { class: "target" }, key(sample[0]), more > 0 ? h("span", { class: "note" }, ` and ${count(more)} more`) : null);
}

/** How much is done: a bar, and both numbers. */
export function done(value) {
  if (!value?.total) return h("span", { class: "note" }, value ? "nothing yet" : "not known");
  const { statuses, total } = value;
  return h("div", { class: "done" },
    bar(growing(statuses, total), "Objects", { class: "bar small" }),
    h("span", { class: "note" }, `${count(value.done)} of ${count(total)}, ${share(value.done, total)}`));
}

/** How old the oldest PENDING object is. */
export function oldest(value, waits) {
  const seconds = value?.oldest_pending_seconds;
  if (seconds === null || seconds === undefined) return h("span", { class: "note" }, "none");
  return waits ? ticking(value.at, (at, now) => age(seconds + (now - Date.parse(at)) / 1000)) : age(seconds);
}

/** For how long something goes on, and since when. */
export function since(at) {
  if (!at) return h("span", { class: "note" }, "not known");
  return [ticking(at, (from, now) => age((now - Date.parse(from)) / 1000)), h("br"), h("span", { class: "note" }, `since ${clock(at)}`)];
}

/** When it gives up. */
export function ends(value) {
  if (!value?.deadline) return h("span", { class: "note" }, value ? "never" : "not known");
  return [ticking(value.deadline, away), h("br"), h("span", { class: "note" }, `at ${clock(value.deadline)}`)];
}
