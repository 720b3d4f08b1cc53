// How far a wait is: while it goes on, and at its end where the task returned nothing.

import { banner, h, section, ticking, tiles } from "./dom.js";
import { age, away, clock, count, lines, share, things } from "./format.js";
import { missing } from "./gate.js";
import { byStatus, named, next } from "./objects.js";
import { picture } from "./picture.js";
import { inShort, question } from "./question.js";
import { REST, SETTLED, sorted } from "./status.js";

/** Seconds that PENDING may last before there is advice; S3 replicates most objects within minutes. */
const LONG = 3600;
/** Milliseconds after which it is to be looked at that nothing moves. */
const STILL = 900_000;
/** Milliseconds after which a look that was due has not been seen. */
const LATE = 120_000;
const ENDED = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

const WORDS = {
  gate: { waits: "Waiting for S3", done: "The gate opened", shut: "The gate stayed shut" },
  batch_replication: { waits: "S3 Batch Replication is running", done: "The job is done", shut: "The job failed" },
  inventory: { waits: "Waiting for an inventory report", done: "The report is there", shut: "No report came" },
};
const OTHER = { waits: "Waiting", done: "Done", shut: "Failed" };
const wordsOf = ({ kind }) => WORDS[kind] ?? OTHER;

/**
 * How a wait stands, seen with the state of its task instance: a value may be older than the end of its task, and a
 * person may have marked the task as something else. Only the value itself says that a gate has opened.
 */
export function standing(value, { state, end_date: ended }) {
  if (value.state === "done" && state === "failed") return "ended";
  if (value.state !== "waiting" || !ENDED.has(state)) return value.state;
  if (state === "success") return "ended";
  // Airflow itself ends a task whose time is up in the triggerer, and asks nobody.
  return value.deadline && ended && Date.parse(ended) >= Date.parse(value.deadline) - 5000 ? "timeout" : "ended";
}

/** Whether a look that was due is missing: before Airflow 3.3.2 no value comes from a triggerer. */
export const isStale = ({ state, next_look: due }, now = Date.now()) =>
  state === "waiting" && Boolean(due) && now - Date.parse(due) > LATE;

/** The page of a wait: its progress, its task instance, and a section that comes from elsewhere, or null. */
export function progressPage(value, instance, more = null) {
  const stands = standing(value, instance);
  const { total } = value;
  const open = total ? total - replicated(value) : 0;
  const waits = stands === "waiting";
  const advised = waits ? advice(value) : null;
  return [
    verdict(value, stands, instance, open),
    advised,
    waits ? null : objects(value, open, waits, advised),
    tiles(
      total ? ["Replicated", count(replicated(value)), `${share(replicated(value), total)} of ${count(total)}`] : null,
      total && open ? [waits ? "Still waiting for" : "Not replicated", count(open), undone(value)] : null,
      oldest(value, waits),
      waited(value, waits),
      waits && value.next_look ? ["Asks again", ticking(value.next_look, again(value.at)), `last seen ${clock(value.at)}`] : null,
      value.deadline ? [waits ? "Gives up" : "Deadline", ticking(value.deadline, away), `at ${clock(value.deadline)} UTC`] : null,
    ),
    total ? byStatus(value, picture(history(value, waits))) : null,
    waits ? objects(value, open, waits, advised) : null,
    more,
    question(value, !waits),
  ];
}

function waited({ started_at: from, at }, waits) {
  if (!from) return null;
  const until = (then) => age((then - Date.parse(from)) / 1000);
  return ["Waited", waits ? ticking(from, (_, now) => until(now)) : until(Date.parse(at)), `since ${clock(from)} UTC`];
}

/** The wait so far, up to now: a value is pushed again only when something has changed. */
function history({ history: points, started_at: at }, waits) {
  if (!points?.length || !at || !waits) return points ?? [];
  const now = (Date.now() - Date.parse(at)) / 1000;
  const [seconds, done, total] = points.at(-1);
  return now > seconds ? [...points, [now, done, total]] : points;
}

/** How many objects are replicated. What a job has done may have failed. */
const replicated = ({ kind, done, statuses }) => (kind === "batch_replication" ? (statuses.SUCCEEDED ?? 0) : done);

/** When it asks again. A value is pushed when something has changed; meanwhile it goes on asking as often. */
const again = (last) => (at, now) => (Date.parse(at) >= now ? away(at, now) : `every ${age((Date.parse(at) - Date.parse(last)) / 1000)}`);

/** The statuses that are not done, as text: 12 PENDING. */
function undone({ kind, statuses, policy, total, done }) {
  const counted = (status) => SETTLED.has(status) || (status === "NONE" && policy?.on_none === "done");
  const open = sorted(statuses).filter((status) => !counted(status));
  const known = open.reduce((all, status) => all + statuses[status], 0);
  // A replica is done, or is what keeps the gate shut: the numbers tell.
  if (kind === "gate" && statuses.REPLICA && known < total - done) open.push("REPLICA");
  const said = open.map((status) => `${count(statuses[status])} ${status}`);
  const rest = total - done; // what a job has not come to yet
  return [...said, ...(kind === "batch_replication" && rest ? [`${count(rest)} ${REST}`] : [])].join(", ");
}

function oldest({ oldest_pending_seconds: seconds, at }, waits) {
  if (seconds === null || seconds === undefined) return null;
  const grown = ticking(at, (seen, now) => age(seconds + (now - Date.parse(seen)) / 1000));
  return ["Oldest PENDING", waits ? grown : age(seconds), "since written"];
}

function verdict(value, stands, { state }, open) {
  const words = wordsOf(value);
  const said = lines(value.message ?? "")[0];
  const counted = open ? `${missing(open, value.total)}: ${undone(value)}` : allDone(value);
  const sentence = value.total ? counted : (said ?? "S3 has not answered yet");
  const what = inShort(value);
  if (stands === "waiting") {
    const word = value.unasked ? `${words.waits}, which could not be asked at the last look` : words.waits;
    return banner(value.unasked || isStill(value) ? "watch" : "moving", word, sentence, what, forecast(value));
  }
  if (stands === "done") return banner("good", words.done, sentence, what);
  if (stands === "timeout") {
    const when = value.deadline ? ` at ${clock(value.deadline)} UTC` : "";
    const word = `Time was up${when}${state === "skipped" ? ", and the task was skipped" : ""}`;
    const why = value.unasked ? `At last S3 could not be asked: ${value.unasked}` : null;
    return banner("bad", word, sentence, what, why ?? "S3 may have replicated more since. Clear the task to wait again.");
  }
  if (stands === "error") return banner("bad", "S3 could not be asked", value.unasked ?? said ?? "The log says why.", what);
  if (stands === "failed") return banner("bad", words.shut, sentence, what, said === sentence ? null : said);
  const word = state === "failed" ? "The task failed while it waited" : `The task ended as ${state} while it waited`;
  const seen = `This is what it had found at ${clock(value.at)} UTC; its log says why it ended.`;
  return banner(state === "failed" ? "bad" : "empty", word, sentence, what, seen);
}

const isStill = ({ unmoved_since: since }) => Boolean(since) && Date.now() - Date.parse(since) >= STILL;

const allDone = ({ total }) => (total === 1 ? "The object is replicated" : `All ${things(total, "object")} are replicated`);

/** When it will be done, or since when nothing moves; what could not be asked comes first. */
function forecast({ unasked, unmoved_since: still, expected_done_at: then }) {
  if (unasked) return unasked;
  if (still) return ticking(still, (at, now) => `Nothing has moved since ${clock(at, now)} UTC, ${away(at, now)}.`);
  if (then) return ticking(then, expected);
  return null;
}

const expected = (at, now) =>
  Date.parse(at) < now
    ? `It was expected to be done at ${clock(at, now)} UTC, ${away(at, now)}.`
    : `Probably done ${away(at, now)}, at ${clock(at, now)} UTC, if it goes on as it did at the last looks.`;

/** What to do about objects that are PENDING for hours. */
function advice({ kind, oldest_pending_seconds: seconds, waiting, deadline, connection }) {
  if (kind !== "gate" || !(seconds >= LONG)) return null;
  const first = (waiting ?? []).find(({ status }) => status === "PENDING");
  return section(
    `PENDING for ${age(seconds)}`,
    h("p", {}, "S3 replicates most objects within 15 minutes, and a large one in hours. While the destination's bucket or ",
      "Region does not answer, S3 leaves an object PENDING, tries again by itself, and reports no error."),
    h("ul", { class: "advice" },
      h("li", {}, "Look at the destination bucket and its Region, and whether a rule is paused or was disabled."),
      h("li", {}, "If the rule has replication metrics, OperationsPendingReplication in the destination's Region shows ",
        "whether the queue gets shorter."),
      h("li", {}, "If it only has much to copy, give the gate a longer timeout. max_pending_age makes it fail early instead.", deadline ? ticking(deadline, (at, now) => ` It gives up ${away(at, now)}.`) : null)),
    first ? next(first.uri, connection) : null,
  );
}

function objects({ kind, waiting, statuses, connection }, open, waits, advised) {
  const sample = waiting ?? [];
  const asked = kind === "gate" && !advised ? sample.find(({ status }) => status !== "MISSING") : null;
  const title = waits ? "Objects that are waited for" : "Not replicated";
  return named(title, sample, statuses, open, asked ? next(asked.uri, connection) : null);
}
