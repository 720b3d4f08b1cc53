// The tab of a task instance: asks Airflow what the task pushed and returned, and asks again while that may change.

import { ApiError, named, PROGRESS, pushed, returned, taskInstance } from "./api.js";
import { banner, h } from "./dom.js";
import { age } from "./format.js";
import { gatePage, unaskedPage } from "./gate.js";
import { inventoryPage } from "./inventory.js";
import { endedByLog, logSection, ours, waitingByLog } from "./log.js";
import { instancesOf, isMapped, mappedPage } from "./mapped.js";
import { isShown, LATER, show, watch } from "./page.js";
import { isStale, progressPage } from "./progress.js";
import { isGate, isNewerProgress, isNewerSummary, isProgress, isSummary, isUnasked } from "./shape.js";
import { fillTrend } from "./trend.js";

const ENDED = ["success", "failed", "skipped", "upstream_failed", "removed"];
/** Milliseconds between two looks at a wait, at many, and at what may become one. */
const [SOON, MANY, PERHAPS] = [5000, 15_000, 10_000];
/** Milliseconds between two looks at a log that may be long: at first, and at most. */
const [LOG, LOG_MOST] = [10_000, 60_000];
const NEEDS = "the DAG's task instances and XComs";

/** What was seen last: a poke that begins again clears its XComs, and pushes them again a moment later. */
let kept = { name: "", progress: undefined };
let log = { name: "", at: 0, pause: LOG, found: null };
let ended = "";

async function refresh(ti) {
  if (ti.all) return refreshMapped(ti);
  let instance;
  try {
    instance = await taskInstance(ti);
  } catch (error) {
    // A mapped task that was opened without an index is no task instance for Airflow.
    if (error.status === 404 && ti.index < 0 && (await isMapped(ti).catch(() => false))) return refreshMapped(ti);
    throw error;
  }
  const { state, try_number: number } = instance;
  const name = JSON.stringify([state, number, instance.end_date]);
  if (name === ended && isShown(ended)) return LATER;
  const over = ENDED.includes(state);
  const [value, given] = await Promise.all([returned(ti), pushed(ti, PROGRESS)]);
  const progress = latest(given, number, over);
  ended = over ? name : "";
  return showWhatIsThere({ ti, instance, value, progress, given, over, name });
}

function latest(given, number, over) {
  if (isProgress(given)) kept = { name: number, progress: given };
  else if (given !== undefined || over || kept.name !== number) kept = { name: "", progress: undefined };
  return kept.progress;
}

async function showWhatIsThere({ ti, instance, value, progress, given, over, name }) {
  const content = over ? name : JSON.stringify([name, value ?? null, progress ?? null]);
  const pause = over ? LATER : SOON;
  if (isSummary(value)) {
    show(content, () => {
      const trend = h("div", { class: "trend", "aria-live": "polite" });
      fillTrend(trend, ti, instance, value);
      return [whole(ti), inventoryPage(value, instance, trend)];
    });
  } else if (isGate(value)) show(content, () => [whole(ti), gatePage(value, instance, progress)]);
  else if (isUnasked(value)) show(content, () => [whole(ti), unaskedPage(value, progress)]);
  else if (progress) {
    const said = isStale(progress) && !over ? await lately(ti, instance) : null;
    show(over ? content : JSON.stringify([content, said]), () => [whole(ti), progressPage(progress, instance, said && logSection(said.said))]);
  } else if (isNewerSummary(value) || isNewerProgress(given)) {
    const { schema } = isNewerSummary(value) ? value : given;
    show(content, () => [banner("empty", "Written by another release", `The value has schema ${schema}, which this page does not know. `
      + "Reload it after Airflow's API server runs the same release of airflow-provider-crr as the workers.")]);
  } else return showByLog({ ti, instance, value, over, content });
  return pause;
}

/** Of a task that has no value of ours: what its log says, if that is ours. */
async function showByLog({ ti, instance, value, over, content }) {
  const said = await lately(ti, instance);
  const { state } = instance;
  // Where its log cannot be read, its trigger tells whose it is.
  const waits = said || String(instance.trigger?.classpath).startsWith("airflow_provider_crr.");
  show(over ? content : JSON.stringify([content, said]), () => {
    if (!waits) return [nothingHere(instance, over)];
    if (!over) return [whole(ti), said?.said.length ? waitingByLog(said) : waiting(instance)];
    if (value !== undefined) return [unreadable()];
    return [whole(ti), endedByLog(state, said)];
  });
  return over ? LATER : waits ? SOON : PERHAPS;
}

/** What the log says, read again after a while that grows as long as it says nothing. */
async function lately(ti, { state, try_number: number }) {
  if (!number) return null; // it has not been tried
  const name = JSON.stringify([number, ENDED.includes(state)]);
  if (log.name !== name) log = { name, at: 0, pause: LOG, found: null };
  if (Date.now() - log.at < log.pause) return log.found;
  const found = await ours(ti, number);
  log = { name, at: Date.now(), pause: found ? LOG : Math.min(log.pause * 2, LOG_MOST), found: found ?? log.found };
  return log.found;
}

async function refreshMapped(ti) {
  const found = await instancesOf(ti);
  if (!found.total) throw new ApiError(404, "no instances");
  show(JSON.stringify(found.rows.map(({ instance, value }) => [instance.map_index, instance.state, value ?? null])), () => mappedPage(ti, found));
  return found.rows.every(({ instance }) => ENDED.includes(instance.state)) ? LATER : MANY;
}

/** Above an instance of a mapped task: the way to all of them. */
function whole({ dag, run, task, index }) {
  if (index < 0) return null;
  const query = [["dag_id", dag], ["run_id", run], ["task_id", task], ["map_index", "all"]];
  const href = `?${query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;
  return h("p", { class: "whole-task" }, h("a", { href }, "All instances of this task, worst first"));
}

const unreadable = () =>
  banner("empty", "The result cannot be shown", "What this task returned is not in Airflow's database as the task made it. "
    + "A custom XCom backend keeps it elsewhere, or another program has changed it.");

function waiting({ state, start_date: started }) {
  const since = started ? ` It last started ${age((Date.now() - Date.parse(started)) / 1000)} ago.` : "";
  const where = state === "deferred" ? "It waits in the triggerer; its log has the counts of every sweep." : "Its log says how far it is.";
  return banner("moving", "Waiting for S3", `The task is ${state ?? "not scheduled yet"}.${since} ${where}`,
    "It has pushed no progress that could be shown, and its log cannot be read here. This page looks again every few seconds.");
}

const nothingHere = ({ state }, over) =>
  over
    ? banner("empty", "Nothing about replication here", "This tab shows what gates, S3 Batch Replication jobs and inventory "
        + "summaries of airflow-provider-crr found. This task has left nothing of that kind.")
    : banner("empty", "Nothing about replication here yet", `The task is ${state ?? "not scheduled yet"}. If it is a gate, a job `
        + "or a summary of airflow-provider-crr, this page shows it as soon as it has asked S3.");

const ti = named();
if (ti) watch(() => refresh(ti), NEEDS);
else {
  watch(async () => {
    show("unnamed", () => [banner("empty", "No task instance",
      "Airflow opens this page as a tab of a task instance, and says of which in its address.")]);
    return LATER;
  }, NEEDS);
}
