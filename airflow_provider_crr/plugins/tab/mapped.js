// The instances of a mapped task in one run, a row each, worst first.

import { mappedInstances, pushersOf } from "./api.js";
import { banner, h, table } from "./dom.js";
import { count, things } from "./format.js";
import { addressOf, outward, TAB } from "./links.js";
import { standing } from "./progress.js";
import { done, ends, oldest, target } from "./rows.js";
import { idOf, named, Values } from "./values.js";

/** Pages of instances, and values, that are asked for at most. */
const [PAGES, VALUES] = [10, 200];
const ENDED_BADLY = ["failed", "upstream_failed"];
const WAITS = ["running", "deferred", "up_for_reschedule"];
const HEADS = ["Instance", "State", "Waits for", "Replicated", "Oldest PENDING", "Gives up"];
const values = new Values();

/** Whether a task is mapped in a run, where it was opened without an index. */
export const isMapped = async (ti) => (await mappedInstances(ti, 0)).total > 0;

/** All instances, each with its progress if it has one, worst first; and how many there are. */
export async function instancesOf(ti) {
  const { entries, total } = await pages((offset) => mappedInstances(ti, offset));
  const pushers = await pages((offset) => pushersOf(ti, offset));
  const stamps = new Map(pushers.entries.map((entry) => [idOf(named(entry)), entry.timestamp]));
  const worst = entries.toSorted((a, b) => rank(a) - rank(b) || a.map_index - b.map_index);
  const wanted = worst.map((instance) => [named(instance), stamps.get(idOf(named(instance)))]).filter(([, stamp]) => stamp);
  await values.update(wanted.slice(0, VALUES));
  const rows = worst.map((instance) => ({ instance, value: values.get(named(instance)) }));
  return { rows: rows.toSorted((a, b) => rank(a.instance) - rank(b.instance) || badness(b) - badness(a)), total };
}

async function pages(page) {
  const found = await page(0);
  for (let number = 1; number < PAGES && found.entries.length < found.total; number += 1) {
    const { entries } = await page(found.entries.length);
    if (!entries.length) break;
    found.entries.push(...entries);
  }
  return found;
}

/** Those that failed come first, then those that wait, then what has not begun. */
function rank({ state }) {
  if (ENDED_BADLY.includes(state)) return 0;
  if (state === "up_for_retry") return 1;
  if (WAITS.includes(state)) return 2;
  return state === "skipped" ? 3 : state === "success" ? 5 : 4;
}

/** Of two that wait, the worse is that with the older PENDING object, then that with more to do. */
const badness = ({ value }) => (value ? (value.oldest_pending_seconds ?? 0) * 1e6 + ((value.total ?? 0) - (value.done ?? 0)) : -1);

/** The page. */
export function mappedPage(ti, { rows, total }) {
  const number = (wanted) => rows.filter(({ instance }) => wanted(instance.state)).length;
  const bad = number((state) => ENDED_BADLY.includes(state));
  const waiting = number((state) => WAITS.includes(state));
  const good = number((state) => state === "success");
  const parts = [[bad, "failed"], [waiting, "waiting"], [good, "succeeded"], [rows.length - bad - waiting - good, "neither"]];
  const level = bad ? "bad" : waiting ? "moving" : good === rows.length ? "good" : "empty";
  return [
    banner(level, `${things(total, "instance")} of this task`,
      parts.filter(([n]) => n).map(([n, word]) => `${count(n)} ${word}`).join(", "),
      rows.length < total ? `The first ${count(rows.length)} are shown.` : "Worst first."),
    h("section", {}, table("Instances, worst first", HEADS, rows.map((row) => cells(ti, row)), { class: "waits" })),
  ];
}

function cells(ti, { instance, value }) {
  const one = { ...ti, index: instance.map_index };
  const waits = WAITS.includes(instance.state);
  const stands = value && standing(value, instance);
  return [
    outward(addressOf(one, TAB), instance.rendered_map_index ?? String(instance.map_index)),
    h("span", { class: `state state-${instance.state ?? "none"}` }, stands === "timeout" ? `${instance.state}: time was up` : (instance.state ?? "not started")),
    target(value),
    done(value),
    oldest(value, waits),
    waits ? ends(value) : h("span", { class: "note" }, "ended"),
  ];
}
