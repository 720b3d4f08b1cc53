// Progress values of many waits, with few requests: each is asked for again only when Airflow has a newer one.

import { ApiError, PROGRESS, pushed } from "./api.js";
import { isProgress } from "./shape.js";

/** Requests at a time. */
export const AT_ONCE = 6;

/** A task instance of a list, as the pages name it. */
export const named = ({ dag_id: dag, dag_run_id: run, run_id: id, task_id: task, map_index: index }) => ({ dag, run: run ?? id, task, index });

/** What tells it from every other. */
export const idOf = ({ dag, run, task, index }) => JSON.stringify([dag, run, task, index]);

/** Do something with every item, some of them at a time. */
export async function each(items, work) {
  const rest = [...items];
  const next = async () => {
    while (rest.length) await work(rest.shift());
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, rest.length) }, next));
}

export class Values {
  #known = new Map();

  /** Ask for values that are not known yet: [task instance, when its value was pushed]. */
  async update(wanted) {
    await each(wanted.filter(([ti, stamp]) => this.#known.get(idOf(ti))?.stamp !== stamp), async ([ti, stamp]) => {
      let value;
      try {
        value = await pushed(ti, PROGRESS);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0) throw error;
        return; // it has gone, or this one may not be read
      }
      if (isProgress(value)) this.#known.set(idOf(ti), { stamp, value });
    });
  }

  /** Forget the values of all task instances but these. */
  keep(instances) {
    const kept = new Set(instances.map(idOf));
    for (const id of this.#known.keys()) if (!kept.has(id)) this.#known.delete(id);
  }

  /** The last value of a task instance; undefined if none is known. */
  get(ti) {
    return this.#known.get(idOf(ti))?.value;
  }
}
