// Airflow's REST API, asked with the viewer's own session. Who may see what is decided there.

const API = new URL("../api/v2/", document.baseURI);

/** The XCom key under which a wait says how far it is. */
export const PROGRESS = "crr_progress";
/** Entries on a page of a list: the most that Airflow gives as it is installed. */
export const PAGE = 100;

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** The task instance that Airflow put into this page's address; null without one. */
export function named() {
  const given = new Map(location.search.slice(1).split("&").map((pair) => pair.split("=").map(decoded)));
  const [dag, run, task] = ["dag_id", "run_id", "task_id"].map((name) => given.get(name));
  const text = given.get("map_index") ?? "";
  // Where the task is not mapped, Airflow leaves {MAP_INDEX} as it is.
  const index = /^\d+$/.test(text) ? Number(text) : -1;
  return dag && run && task ? { dag, run, task, index, all: text === "all" } : null;
}

/** Not URLSearchParams: Airflow 3.1 leaves the + of a run's id as it is, which that would take for a space. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function ask(path, parameters, accept = "application/json") {
  // encodeURIComponent leaves these as they are, and URL takes them for directories.
  if (path.some((part) => part === "." || part === "..")) throw new ApiError(404, "no such name");
  const url = new URL(path.map(encodeURIComponent).join("/"), API);
  url.search = new URLSearchParams(parameters);
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", headers: { accept }, cache: "no-store" });
  } catch (error) {
    throw new ApiError(0, String(error));
  }
  if (!answer.ok) throw new ApiError(answer.status, await answer.text());
  return answer;
}

const get = async (path, parameters = {}) => (await ask(path, parameters)).json();

const instance = ({ dag, run, task }) => ["dags", dag, "dagRuns", run, "taskInstances", task];

/** State, operator and times of a task instance. */
export const taskInstance = (ti) => get(ti.index < 0 ? instance(ti) : [...instance(ti), ti.index]);

/** A value that a task instance has pushed to XCom; undefined if there is none. */
export async function pushed(ti, name) {
  let found;
  try {
    found = await get([...instance(ti), "xcomEntries", name], { map_index: ti.index });
  } catch (error) {
    if (error.status === 404) return undefined;
    throw error;
  }
  if (typeof found.value !== "string") return found.value;
  try {
    return JSON.parse(found.value); // as Airflow stores what some releases push
  } catch {
    return found.value;
  }
}

/** What a task instance returned; undefined if it has returned nothing. */
export const returned = (ti) => pushed(ti, "return_value");

/** Ids of a DAG's runs up to a moment, newest first. */
export async function runsUpTo({ dag }, moment, limit) {
  const found = await get(["dags", dag, "dagRuns"], { order_by: "-run_after", run_after_lte: moment, limit });
  return found.dag_runs.map((run) => run.dag_run_id);
}

/** A page of a list: the entries, and how many there are on all pages. */
async function page(path, name, parameters, offset) {
  const found = await get(path, [...parameters, ["limit", PAGE], ["offset", offset]]);
  return { entries: found[name], total: found.total_entries };
}

/** A page of the instances of a mapped task in one run. */
export const mappedInstances = (ti, offset) =>
  page([...instance(ti), "listMapped"], "task_instances", [["order_by", "map_index"]], offset);

/** A page of which of these have pushed a progress value, and when, without the values. */
export const pushersOf = (ti, offset) => page([...instance(ti), "xcomEntries"], "xcom_entries", [["xcom_key", PROGRESS]], offset);

/** A page of the task instances of all DAGs that are in one of these states, those first that began first. */
export const instancesOfAll = (states, offset) =>
  page(["dags", "~", "dagRuns", "~", "taskInstances"], "task_instances",
    [["order_by", "start_date"], ...states.map((state) => ["state", state])], offset);

/** A page of who has pushed a progress value, without the values; of all DAGs, in runs from a moment on. */
export const pushersOfAll = (since, offset) =>
  page([...instance({ dag: "~", run: "~", task: "~" }), "xcomEntries"], "xcom_entries",
    [["xcom_key", PROGRESS], ["order_by", "-timestamp"], ["run_after_gte", since]], offset);

/** Whether Airflow puts those into the order that is asked for, the newest first: it does from 3.3 on. */
export async function sortsPushers() {
  const [major, minor] = String((await get(["version"])).version).split(".").map(Number);
  return major > 3 || (major === 3 && minor >= 3);
}

/**
 * The lines of a try's log, one after the other, each as Airflow has stored it.
 * @param most how many bytes are read; a log may be long, and whoever looks on is not to wait.
 */
export async function* logLines(ti, tryNumber, most) {
  const answer = await ask([...instance(ti), "logs", tryNumber], { map_index: ti.index }, "application/x-ndjson");
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let [rest, read] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    read += value?.length ?? 0;
    const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
    rest = done ? "" : lines.pop();
    for (const line of lines) {
      try {
        const found = JSON.parse(line);
        if (typeof found?.event === "string") yield found;
      } catch {
        // not a line of ours, which are JSON
      }
    }
    if (done || read > most) break;
  }
  await reader.cancel();
}
