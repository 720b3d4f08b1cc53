// Asks Airflow for the task instance and what it returned, shows it, and asks again while it may change.

import { ApiError, named, returned, taskInstance } from "./api.js";
import { banner, h, key } from "./dom.js";
import { age } from "./format.js";
import { gatePage, unaskedPage } from "./gate.js";
import { inventoryPage } from "./inventory.js";
import { isGate, isNewerSummary, isSummary, isUnasked } from "./shape.js";
import { followTheme } from "./theme.js";
import { fillTrend } from "./trend.js";

const OURS = ["S3ReplicationSensor", "S3InventorySummaryOperator"];
const ENDED = ["success", "failed", "skipped", "upstream_failed", "removed"];
/** Milliseconds between questions: while the task may still return something, and after it has ended. */
const [SOON, LATER] = [5000, 30000];

const page = document.getElementById("page");
let shown = "";
let ended = "";

/** Replace what is shown, unless it is shown already: what a reader has opened or selected stays. */
function show(name, build) {
  if (name === shown) return;
  shown = name;
  page.replaceChildren(...build().flat(Infinity).filter(Boolean));
  page.setAttribute("aria-busy", "false");
  document.getElementById("announcement").textContent = page.querySelector("h1")?.textContent ?? "";
}

async function refresh(ti) {
  const instance = await taskInstance(ti);
  const { state } = instance;
  const now = JSON.stringify([state, instance.try_number, instance.end_date]);
  if (now === ended && shown.startsWith("[")) return LATER;
  ended = ENDED.includes(state) ? now : "";
  const value = await returned(ti);
  const name = JSON.stringify([state, instance.try_number, value ?? null]);
  if (isGate(value)) show(name, () => gatePage(value, instance));
  else if (isSummary(value)) {
    show(name, () => {
      const trend = h("div", { class: "trend", "aria-live": "polite" });
      fillTrend(trend, ti, instance, value);
      return inventoryPage(value, instance, trend);
    });
  } else if (OURS.includes(instance.operator) && isUnasked(value)) show(name, () => unaskedPage(value));
  else show(name, () => withoutResult(instance, value));
  return ENDED.includes(state) ? LATER : SOON;
}

function withoutResult(instance, value) {
  const { operator, state, start_date: started } = instance;
  const ours = OURS.includes(operator);
  if (isNewerSummary(value)) {
    return [banner("empty", "Written by another release", `The summary has schema ${value.schema}, which this page does not know. Reload it after Airflow's API server runs the same release of airflow-provider-crr as the workers.`)];
  }
  if (value !== undefined || !(ours || !ENDED.includes(state))) {
    return ours
      ? [banner("empty", "The result cannot be shown", "What this task returned is not in Airflow's database as the task made it. A custom XCom backend keeps it elsewhere, or another program has changed it.")]
      : [nothingHere(operator)];
  }
  if (ENDED.includes(state)) {
    return [banner(state === "failed" ? "bad" : "empty", "The task has no result", `It ended as ${state} and left none: it ended before S3 had answered, or do_xcom_push is off. Its log says more.`)];
  }
  if (!ours) return [nothingHere(operator)];
  const since = started ? ` It last started ${age((Date.now() - Date.parse(started)) / 1000)} ago.` : "";
  const where = state === "deferred" ? "It waits in the triggerer; its log has the counts of every sweep." : "Its log says how far it is.";
  return [
    banner("moving", state === "deferred" || state === "up_for_reschedule" ? "Waiting for S3" : "Not finished yet",
      `The task is ${state ?? "not scheduled yet"}.${since} ${where}`,
      "Airflow has a task's result only when it ends. This page looks again every few seconds."),
  ];
}

const nothingHere = (operator) =>
  banner("empty", "Nothing about replication here",
    h("span", {}, "This tab shows what ", key("S3ReplicationSensor"), " and ", key("S3InventorySummaryOperator"), " found. This task",
      operator ? [", a ", key(operator), ","] : "", " has returned nothing of that kind."));

function failure(error, again) {
  const words = {
    0: ["Airflow cannot be reached", "The connection to Airflow's API server failed."],
    401: ["You are not signed in", "Sign in to Airflow, then open this tab again."],
    403: ["You may not see this", "Reading a task's result needs permission to read the DAG's task instances and XComs."],
    404: ["There is no such task instance", "It may have been deleted, or its DAG changed."],
  }[error.status] ?? ["Airflow gave no answer that can be read", error.status ? `It answered HTTP ${error.status}.` : String(error)];
  const button = h("button", { type: "button" }, "Try again");
  button.addEventListener("click", again);
  return [banner("bad", ...words), h("p", { class: "again" }, button)];
}

function start() {
  followTheme();
  const ti = named();
  if (!ti) {
    show("unnamed", () => [banner("empty", "No task instance", "Airflow opens this page as a tab of a task instance, and says of which in its address.")]);
    return;
  }
  let timer;
  const look = async () => {
    clearTimeout(timer);
    let pause = LATER;
    try {
      pause = await refresh(ti);
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error);
      show(`error ${error.status ?? error}`, () => failure(error, look));
    }
    clearTimeout(timer);
    timer = setTimeout(look, pause);
  };
  // A tab that nobody looks at asks nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
  look();
}

start();
