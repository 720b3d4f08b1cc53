// All waits of this provider that go on now and that the viewer may see, with few requests to Airflow's REST API:
// the task instances that wait, which of them have pushed a progress value, and the values of those that are shown.

import { instancesOfAll, pushersOfAll, sortsPushers } from "./api.js";
import { each, idOf, named, Values } from "./values.js";

/** Task instances that may be a wait. One that is rescheduled waits, too. */
const WAITS = ["running", "deferred", "up_for_reschedule"];
/** Pages of each list that are asked for at most. */
export const PAGES = { instances: 20, pushers: 30 };

/** The waits, those first that began first; what is known of them stays from one look to the next. */
export class Fleet {
  #values = new Values();
  #stamps = new Map();
  #sorted;

  /** Ask who waits; returns the waits, and which of the lists were too long to be read to their end. */
  async look() {
    const { instances, left } = await waitingInstances();
    this.#sorted ??= await sortsPushers();
    const { stamps, cut } = await pushed(instances, this.#sorted);
    // A poke that begins again clears its XComs, and pushes them again a moment later.
    const stampOf = (instance) => stamps.get(idOf(named(instance))) ?? this.#stamps.get(tryOf(instance));
    const ours = instances.map((instance) => ({ instance, ti: named(instance), stamp: stampOf(instance) })).filter(({ stamp }) => stamp);
    this.#stamps = new Map(ours.map(({ instance, stamp }) => [tryOf(instance), stamp]));
    this.#values.keep(ours.map(({ ti }) => ti));
    return { waits: ours, cut: { instances: left, pushers: cut } };
  }

  /** Ask for the values of these waits, as far as they have changed. */
  async read(waits) {
    await this.#values.update(waits.map(({ ti, stamp }) => [ti, stamp]));
  }

  /** The last value of a wait; undefined if it was not read. */
  valueOf = ({ ti }) => this.#values.get(ti);
}

const tryOf = (instance) => JSON.stringify([idOf(named(instance)), instance.try_number]);

async function waitingInstances() {
  const first = await instancesOfAll(WAITS, 0);
  const size = first.entries.length;
  const offsets = [];
  for (let at = size; size && at < first.total && offsets.length < PAGES.instances - 1; at += size) offsets.push(at);
  const pages = new Map();
  await each(offsets, async (offset) => pages.set(offset, (await instancesOfAll(WAITS, offset)).entries));
  const all = [...first.entries, ...offsets.flatMap((offset) => pages.get(offset))];
  // What began or ended between two pages is on two of them, or on none until the next look.
  const instances = [...new Map(all.map((instance) => [idOf(named(instance)), instance])).values()];
  return { instances, left: Math.max(0, first.total - size * (1 + offsets.length)) };
}

/** When each of these instances pushed its last value, where it has one; newest first, until all are found. */
async function pushed(instances, sorted) {
  const open = new Map(instances.map((instance) => [idOf(named(instance)), begun(instance)]));
  const stamps = new Map();
  if (!open.size) return { stamps, cut: false };
  const since = instances.map((instance) => instance.run_after).reduce((a, b) => (Date.parse(a) < Date.parse(b) ? a : b));
  let seen = 0;
  for (let number = 0; number < PAGES.pushers; number += 1) {
    const { entries, total } = await pushersOfAll(since, seen);
    for (const entry of entries) {
      if (open.delete(idOf(named(entry)))) stamps.set(idOf(named(entry)), entry.timestamp);
    }
    seen += entries.length;
    if (!open.size || !entries.length || seen >= total) return { stamps, cut: false };
    // A value is pushed after its task began: what is older belongs to none of those that are left.
    if (sorted && Date.parse(entries.at(-1).timestamp) < Math.min(...open.values())) return { stamps, cut: false };
  }
  return { stamps, cut: true };
}

const begun = ({ start_date: started, run_after: due }) => Date.parse(started ?? due);
