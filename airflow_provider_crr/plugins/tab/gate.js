// What a gate returned.

import { banner, details, h, tiles } from "./dom.js";
import { age, count, share, things } from "./format.js";
import { byStatus, named, next, steps } from "./objects.js";
import { picture } from "./picture.js";
import { inShort, question } from "./question.js";
import { SETTLED, sorted } from "./status.js";

/** The statuses that this gate took for replicated: not those that kept it shut, as REPLICA may. */
const settled = ({ deciding = {} }) => new Set([...SETTLED].filter((status) => !(status in deciding)));

const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

/** The page of a gate: its value, its progress if it has one, and the state of its task instance. */
export function gatePage(value, { state }, progress = null) {
  const replicated = sum([...settled(value)].map((status) => value.statuses[status] ?? 0));
  const open = value.total - replicated;
  const failed = value.statuses.FAILED ?? 0;
  const lag = progress?.replication_lag;
  return [
    verdict(value, state, open, progress),
    open ? examples(value, open, progress) : null,
    tiles(
      ["Objects", count(value.total)],
      ["Replicated", count(replicated), share(replicated, value.total)],
      open ? ["Not replicated", count(open), failed ? `${count(failed)} FAILED` : null] : null,
      value.oldest_pending_seconds === null ? null : ["Oldest PENDING", age(value.oldest_pending_seconds), "since it was written"],
      ["Waited", age(value.waited_seconds)],
      lag ? ["Replication took", age(lag.median), `95 % within ${age(lag.p95)}`] : null,
      ["Requests", count(value.head_requests), "HEAD, to S3"],
    ),
    value.total ? byStatus(value, picture(progress?.history ?? [])) : null,
    open ? null : examples(value, open, progress),
    progress && question(progress, true),
  ];
}

/** The page of a gate whose time was up before S3 had answered once. */
export const unaskedPage = (value, progress = null) => [
  banner("bad", "Time was up", "S3 had not answered for every object once when the gate's time was up.", progress?.unasked ?? "The log says what S3 answered."),
  tiles(["Waited", age(value.waited_seconds)], ["Requests", count(value.head_requests), "HEAD, to S3"]),
  progress && question(progress, true),
];

function verdict(value, state, open, progress) {
  const { statuses, total } = value;
  const parts = sorted(statuses).filter((status) => !settled(value).has(status));
  const rest = parts.map((status) => `${count(statuses[status])} ${status}`).join(", ");
  const sentence = open ? `${missing(open, total)}: ${rest}` : total === 1 ? "The object is replicated" : `All ${things(total, "object")} are replicated`;
  const what = progress && inShort(progress);
  if (state === "success") return banner("good", "The gate opened", sentence, what, open ? "The task's settings count these as done." : null);
  const late = progress?.state === "timeout";
  if (state === "failed") return banner("bad", late ? "Time was up" : open ? "The gate stayed shut" : "The task failed", sentence, what);
  if (state === "skipped") {
    return banner("watch", late ? "Time was up, and the task was skipped" : "The gate stayed shut, and the task was skipped", sentence, what);
  }
  return banner("moving", "The gate is shut", sentence, what, `The task is ${state ?? "not started"}; this is what it found before.`);
}

/** How many are not replicated, as a sentence. */
export function missing(open, total) {
  if (open === total) return total === 1 ? "The object is not replicated" : `None of ${things(total, "object")} is replicated`;
  return `${count(open)} of ${things(total, "object")} ${open === 1 ? "is" : "are"} not replicated`;
}

/** The objects that the value names. */
function examples(value, open, progress) {
  const waiting = value.sample.filter(({ status }) => !settled(value).has(status));
  const done = value.sample.filter(({ status }) => settled(value).has(status));
  return [
    named("Not replicated", waiting, value.statuses, open, waiting.length ? next(waiting[0].uri, progress?.connection) : null),
    done.length ? h("section", { class: "quiet" }, details("Some of what is replicated", steps(done, value.statuses))) : null,
  ];
}
