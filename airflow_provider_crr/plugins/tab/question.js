// What a wait is for: its objects, the rules that replicate them, and what its author has set.

import { facts, h, key, section, ticking } from "./dom.js";
import { age, away, count, moment, things } from "./format.js";

/** What the fields of a policy are about, and what their values mean. */
const POLICY = { on_failed: "FAILED", on_none: "NONE", on_missing: "MISSING", on_replica: "REPLICA" };
const CHOICES = { fail: "fails the gate", wait: "is waited for", done: "counts as replicated" };

/** The section with all that is known of the question; `over` when the wait has ended. */
export const question = (value, over) =>
  section(
    over ? "What it waited for" : "What it waits for",
    facts(
      targets(value) && [value.kind === "inventory" ? "Report" : "Objects", targets(value)],
      value.job_id ? ["S3 Batch Replication job", key(String(value.job_id))] : null,
      value.kind === "gate" ? ["Rule and destination", rules(value.rules)] : null,
      ["Connection", value.connection ? key(value.connection) : "none: boto3's own search for credentials"],
      value.kind === "gate" ? ["Policy", policy(value.policy ?? {})] : null,
      value.started_at ? ["Began", `${moment(value.started_at)} UTC`] : null,
      deadline(value.deadline, over),
      lag(value.replication_lag) && ["Replication took", lag(value.replication_lag)],
      value.head_requests ? ["Requests", `${things(value.head_requests, "HEAD request")} to S3${over ? "" : " so far"}`] : null,
      ["Last asked", `${moment(value.at)} UTC${value.where ? `, by the ${value.where}` : ""}${value.host ? ` on ${value.host}` : ""}`],
    ),
  );

function deadline(at, over) {
  if (!at) return ["Deadline", "none: it never gives up"];
  return over ? ["Deadline", `${moment(at)} UTC`] : ["Gives up", ticking(at, (then, now) => `${moment(then)} UTC, ${away(then, now)}`)];
}

/** The same in a line, for what a page says first; null if nothing is known. */
export function inShort({ targets: named, rules: found }) {
  const { objects, patterns, sample } = named ?? {};
  if (!sample?.length) return null;
  const more = (objects ?? 0) + (patterns ?? 0) - 1;
  const there = [...new Set((found ?? []).map(({ destination }) => destination).filter(Boolean))];
  return [key(sample[0]), more > 0 ? ` and ${count(more)} more` : "", there.length ? [" → ", there.slice(0, 3).map((name, index) => [index ? ", " : "", key(name)])] : ""];
}

/** The objects and patterns; null if nothing is known of them. */
function targets({ targets: named }) {
  if (!named) return null;
  const { objects = 0, patterns = 0, sample } = named;
  const shown = sample ?? [];
  const more = (objects ?? 0) + (patterns ?? 0) - shown.length;
  const counts = [objects ? things(objects, "object") : null, patterns ? things(patterns, "pattern") : null].filter(Boolean).join(", ");
  return h("div", {},
    shown.length > 1 || more > 0 ? h("p", { class: "note" }, counts) : null,
    h("ul", { class: "names" }, shown.map((uri) => h("li", {}, key(uri)))),
    more > 0 && shown.length ? h("p", { class: "note" }, `and ${count(more)} more`) : null);
}

function rules(found) {
  if (!found) return "not known: the bucket's rules could not be read, which the gate itself does not need";
  if (!found.length) return "the bucket has no replication rule for these objects";
  return h("ul", { class: "names" }, found.map(({ bucket, rule, destination }) =>
    h("li", {}, rule ? key(rule) : "a rule without a name", bucket ? [" of ", key(bucket)] : "", " → ", destination ? key(destination) : "a destination that is not known")));
}

function policy(set) {
  const sentences = Object.entries(set).filter(([, value]) => value !== null).map(([name, value]) => {
    if (name in POLICY) return `${POLICY[name]} ${CHOICES[value] ?? String(value)} (${name})`;
    if (name === "max_pending_age" && typeof value === "number") return `PENDING for more than ${age(value)} fails the gate (${name})`;
    return `${name} is ${JSON.stringify(value)}`;
  });
  if (!sentences.length) return "the defaults: FAILED and NONE fail the gate, PENDING and MISSING are waited for";
  return h("ul", { class: "plain" }, sentences.map((sentence) => h("li", {}, sentence)));
}

function lag(found) {
  if (!found) return null;
  const error = found.error ? `, give or take ${age(found.error)}` : "";
  return `${age(found.median)} (median), ${age(found.p95)} for 95 %, ${age(found.max)} at most, of ${things(found.objects, "object")} seen PENDING and then replicated${error}`;
}
