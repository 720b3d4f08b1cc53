// What a task says in its log, where it has no value to show. Lines are shown as they are: nothing is read out of them.

import { ApiError, logLines } from "./api.js";
import { banner, h, section, ticking } from "./dom.js";
import { away, clock, lines } from "./format.js";

/** Bytes of a log that are read at most, and lines of it that are shown. */
const [MOST, SHOWN] = [8 << 20, 12];
/** Milliseconds between lines that were written at once: they are shown as one. */
const AT_ONCE = 2000;
const PACKAGE = "airflow_provider_crr";

/**
 * The last lines that this provider wrote into a try's log, and why the task failed, if that was an error of ours.
 * Null where the log has nothing of ours; null, too, where it cannot be read, with `refused`.
 */
export async function ours(ti, tryNumber) {
  const found = { said: [], failure: null };
  try {
    for await (const line of logLines(ti, tryNumber, MOST)) {
      if (isOurs(line)) found.said = [...found.said, line].slice(-SHOWN);
      found.failure = failureOf(line) ?? found.failure;
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null; // no permission, or no log yet: others see it in the log itself
  }
  return found.said.length || found.failure ? found : null;
}

/** Subclasses log under their own module's name; then what the log says is in our words. */
const isOurs = (line) => String(line.logger ?? "").includes(PACKAGE) || isWait(line);
const isWait = ({ event }) => /^waiting for \S/.test(event);

/** The text of an error that was raised in this package. */
function failureOf({ error_detail: errors }) {
  for (const error of Array.isArray(errors) ? errors : []) {
    const raisedByUs = Array.isArray(error?.frames) && error.frames.some((frame) => String(frame?.filename).includes(`${PACKAGE}/`));
    if (raisedByUs && typeof error.exc_value === "string") return error.exc_value;
  }
  return null;
}

/** The page of a task that waits, by its log. */
export function waitingByLog({ said }) {
  const { event } = said.findLast(isWait) ?? said.at(-1);
  return [
    banner("moving", "Waiting for S3", lines(event)[0] ?? "", "From the task's log: the task has pushed no progress that could be shown."),
    said.length > 1 ? logSection(said) : null,
  ];
}

/** The page of a task that ended without a value, by its log. */
export function endedByLog(state, { said, failure }) {
  const told = said.findLast(({ level }) => level === "error") ?? said.at(-1);
  const [first, ...rest] = lines(failure ?? told.event);
  const others = said.filter((line) => line !== told || (failure && told.level !== "error")); // it says the same
  return [
    banner(state === "failed" ? "bad" : "empty", state === "failed" ? "The task failed" : `The task ended as ${state}`, first ?? ""),
    rest.length ? section("Why", h("pre", {}, rest.join("\n"))) : null,
    others.length ? logSection(others) : null,
  ];
}

/** The last lines, as a section. */
export const logSection = (said) =>
  section(
    "Last lines of the log",
    h("ol", { class: "log" }, together(said).map(({ timestamp, level, texts }) =>
      h("li", { class: ["error", "critical", "warning"].includes(level) ? `said-${level}` : null },
        timestamp ? ticking(timestamp, (at, now) => `${clock(at, now)} UTC, ${away(at, now)}`) : h("span", { class: "note" }, "no time"),
        h("pre", {}, texts.join("\n"))))),
  );

/** Lines of one level that were written at once, together. */
function together(said) {
  const blocks = [];
  for (const { timestamp, level, event } of said) {
    const last = blocks.at(-1);
    const near = last && Math.abs(Date.parse(timestamp) - Date.parse(last.timestamp)) < AT_ONCE;
    if (near && level === last.level) last.texts.push(event);
    else blocks.push({ timestamp, level, texts: [event] });
  }
  return blocks;
}
