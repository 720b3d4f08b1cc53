// Airflow's REST API, asked with the viewer's own session. Who may see what is decided there.

const API = new URL("../api/v2/", document.baseURI);

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
  // Where the task is not mapped, Airflow leaves {MAP_INDEX} as it is.
  const index = /^\d+$/.test(given.get("map_index") ?? "") ? Number(given.get("map_index")) : -1;
  return dag && run && task ? { dag, run, task, index } : null;
}

/** Not URLSearchParams: Airflow 3.1 leaves the + of a run's id as it is, which that would take for a space. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function get(path, parameters = {}) {
  // encodeURIComponent leaves these as they are, and URL takes them for directories.
  if (path.some((part) => part === "." || part === "..")) throw new ApiError(404, "no such name");
  const url = new URL(path.map(encodeURIComponent).join("/"), API);
  url.search = new URLSearchParams(parameters);
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", headers: { accept: "application/json" }, cache: "no-store" });
  } catch (error) {
    throw new ApiError(0, String(error));
  }
  if (!answer.ok) throw new ApiError(answer.status, await answer.text());
  return answer.json();
}

const instance = ({ dag, run, task }) => ["dags", dag, "dagRuns", run, "taskInstances", task];

/** State, operator and times of a task instance. */
export const taskInstance = (ti) => get(ti.index < 0 ? instance(ti) : [...instance(ti), ti.index]);

/** What a task instance returned; undefined if it has returned nothing. */
export async function returned(ti) {
  let found;
  try {
    found = await get([...instance(ti), "xcomEntries", "return_value"], { map_index: ti.index });
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

/** Ids of a DAG's runs up to a moment, newest first. */
export async function runsUpTo({ dag }, moment, limit) {
  const found = await get(["dags", dag, "dagRuns"], { order_by: "-run_after", run_after_lte: moment, limit });
  return found.dag_runs.map((run) => run.dag_run_id);
}
