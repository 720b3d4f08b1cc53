// What an S3ReplicationSensor found.

import { banner, details, h, key, section, table, tiles } from "./dom.js";
import { age, count, share, things } from "./format.js";
import { bar, chip, meaning, SETTLED, sorted } from "./status.js";

/** The statuses that this gate took for replicated: not those that kept it shut, as REPLICA may. */
const settled = ({ deciding = {} }) => new Set([...SETTLED].filter((status) => !(status in deciding)));

const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

/** The page of a gate: its value, and the state of its task instance. */
export function gatePage(value, { state }) {
  const replicated = sum([...settled(value)].map((status) => value.statuses[status] ?? 0));
  const open = value.total - replicated;
  const failed = value.statuses.FAILED ?? 0;
  return [
    verdict(value, state, open),
    tiles(
      ["Objects", count(value.total)],
      ["Replicated", count(replicated), share(replicated, value.total)],
      open ? ["Not replicated", count(open), failed ? `${count(failed)} FAILED` : null] : null,
      value.oldest_pending_seconds === null ? null : ["Oldest PENDING", age(value.oldest_pending_seconds), "since it was written"],
      ["Waited", age(value.waited_seconds)],
      ["Requests", count(value.head_requests), "HEAD, to S3"],
    ),
    value.total ? byStatus(value) : null,
    named(value, open),
  ];
}

/** The page of a gate whose time was up before S3 had answered once. */
export const unaskedPage = (value) => [
  banner("bad", "The gate stayed shut", "Its time was up before S3 had answered for every object once. The log says what S3 answered."),
  tiles(["Waited", age(value.waited_seconds)], ["Requests", count(value.head_requests), "HEAD, to S3"]),
];

function verdict(value, state, open) {
  const { statuses, total } = value;
  const parts = sorted(statuses).filter((status) => !settled(value).has(status));
  const rest = parts.map((status) => `${count(statuses[status])} ${status}`).join(", ");
  const sentence = open ? `${missing(open, total)}: ${rest}` : total === 1 ? "The object is replicated" : `All ${things(total, "object")} are replicated`;
  if (state === "success") {
    return banner("good", "The gate opened", sentence, open ? "The task's settings count these as done." : null);
  }
  if (state === "failed") return banner("bad", open ? "The gate stayed shut" : "The task failed", sentence);
  if (state === "skipped") return banner("watch", "The gate stayed shut, and the task was skipped", sentence);
  return banner("moving", "The gate is shut", sentence, `The task is ${state ?? "not started"}; this is what it found before.`);
}

function missing(open, total) {
  if (open === total) return total === 1 ? "The object is not replicated" : `None of ${things(total, "object")} is replicated`;
  return `${count(open)} of ${things(total, "object")} ${open === 1 ? "is" : "are"} not replicated`;
}

function byStatus({ statuses, total }) {
  const rows = sorted(statuses).map((status) => [chip(status), count(statuses[status]), share(statuses[status], total), meaning(status)]);
  return section(
    "Objects by status",
    bar(sorted(statuses).map((status) => [status, statuses[status]]), "Objects"),
    table("Objects by status", ["Status", "Objects", "Share", "Meaning"], rows, { class: "statuses" }),
  );
}

/** The objects that the value names, those with one reason together. */
function named(value, open) {
  const { sample, statuses } = value;
  const groups = new Map();
  for (const object of sample) {
    const name = JSON.stringify([object.status, object.reason ?? ""]);
    groups.set(name, [...(groups.get(name) ?? []), object]);
  }
  const shown = (objects) =>
    h(
      "div",
      { class: `step step-${objects[0].status.toLowerCase()}` },
      h("h3", {}, chip(objects[0].status), h("span", { class: "note" }, `${objects.length} of ${count(statuses[objects[0].status] ?? objects.length)}`)),
      h("p", {}, objects[0].reason ?? meaning(objects[0].status)),
      h("ul", { class: "sample" }, objects.map(({ uri }) => h("li", {}, key(uri)))),
    );
  const all = [...groups.values()];
  const waiting = all.filter(([first]) => !settled(value).has(first.status));
  const done = all.filter(([first]) => settled(value).has(first.status));
  const listed = sum(waiting.map((group) => group.length));
  return [
    waiting.length
      ? section("Not replicated", waiting.map(shown),
          open > listed ? h("p", { class: "note" }, `and ${count(open - listed)} more, which the task did not name`) : null)
      : null,
    done.length ? h("section", { class: "quiet" }, details("Some of what is replicated", done.map(shown))) : null,
  ];
}
