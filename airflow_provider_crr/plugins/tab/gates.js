// The page "Gates waiting now": every wait of this provider that the viewer may see, oldest first.

import { banner, h, section, table, ticking, tiles } from "./dom.js";
import { age, clock, count, things } from "./format.js";
import { Fleet } from "./fleet.js";
import { addressOf, outward, TAB } from "./links.js";
import { LATER, show, watch } from "./page.js";
import { done, ends, oldest, since, target } from "./rows.js";

/** Rows that are shown at first, and more on each demand. */
const ROWS = 100;
/** Seconds that count as soon, and as long. */
const HOUR = 3600;
const KINDS = { batch_replication: "Batch Replication job", inventory: "inventory report" };

const fleet = new Fleet();
const words = document.getElementById("words");
let rows = ROWS;
let found = { waits: [], cut: {} };
let turn = 0;

async function refresh() {
  const began = performance.now();
  found = await fleet.look();
  document.getElementById("search").hidden = !found.waits.length;
  await arrange();
  // Airflow is asked again after ten times as long as it has taken: whoever looks on is not to be a burden.
  return Math.max(LATER, (performance.now() - began) * 10);
}

/** Show those that match, as far as rows go: at once, and again when their values are there. */
async function arrange() {
  const mine = ++turn;
  const matching = found.waits.filter(matches(words.value));
  const first = matching.slice(0, rows);
  if (first.some((wait) => !fleet.valueOf(wait))) draw(first, matching.length, true);
  await fleet.read(first);
  if (mine === turn) draw(first, matching.length, false); // else somebody has typed on
}

function draw(some, matching, reading) {
  // A wait begins again with each poke, as far as Airflow knows; its value knows better.
  const first = some.toSorted((a, b) => begun(a) - begun(b));
  const seen = first.map((wait) => [wait.ti, wait.instance.state, wait.stamp]);
  show(JSON.stringify([words.value, rows, matching, found.waits.length, found.cut, reading, seen]), () => fleetPage(first, matching, found, reading));
}

/** Whether a wait has all the words in what is known of it. */
function matches(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (wait) => {
    const { instance, ti } = wait;
    const { targets, rules } = fleet.valueOf(wait) ?? {};
    const known = JSON.stringify([ti, instance.rendered_map_index, instance.rendered_fields, targets, rules]).toLowerCase();
    return wanted.every((word) => known.includes(word));
  };
}

const startOf = (wait) => fleet.valueOf(wait)?.started_at ?? wait.instance.start_date;
const begun = (wait) => Date.parse(startOf(wait) ?? "") || Infinity;

function fleetPage(first, matching, { waits, cut }, reading) {
  const omitted = [
    cut.instances > 0 ? `Airflow has ${count(cut.instances)} more tasks that run or wait than this page looks at.` : null,
    cut.pushers ? "There were too many finished gates to look through: some that wait may be missing." : null,
  ].filter(Boolean).join(" ");
  if (!waits.length) {
    return [banner("empty", "No gate is waiting", "None of the tasks that run or wait now, and that you may see, is a gate of "
      + "airflow-provider-crr.", omitted || "This page looks again every half minute.")];
  }
  const values = first.map(fleet.valueOf).filter(Boolean);
  const long = values.filter(({ oldest_pending_seconds: seconds }) => seconds >= HOUR).length;
  const soon = values.filter(({ deadline }) => deadline && Date.parse(deadline) - Date.now() < HOUR * 1000).length;
  const open = values.reduce((all, { total, done: finished }) => all + (total ?? 0) - (finished ?? 0), 0);
  const more = matching - first.length;
  const some = more ? `of the ${count(first.length)} shown` : null;
  const began = first.length ? startOf(first[0]) : null;
  const heads = ["Gate", "Waits for", "Replicated", "Oldest PENDING", "Waits", "Gives up"];
  return [
    banner((long || soon) && !reading ? "watch" : "moving", `${things(waits.length, "gate")} ${waits.length === 1 ? "is" : "are"} waiting`,
      began ? ticking(began, longest) : "None of them matches", omitted || null),
    tiles(
      ["Shown", count(first.length), matching < waits.length ? `of ${count(waits.length)}` : "oldest first"],
      ["Objects waited for", reading ? "…" : count(open), some],
      ["PENDING for an hour", reading ? "…" : count(long), some ?? "gates with such an object"],
      ["Give up within an hour", reading ? "…" : count(soon), some],
    ),
    first.length
      ? h("section", {}, table("Gates waiting now, oldest first", heads, first.map(cells), { class: "waits" }), more ? demand(more) : null)
      : section("No match", h("p", { class: "note" }, "No waiting gate has all these words in its DAG, task, run, bucket or keys.")),
  ];
}

const longest = (at, now) => `The oldest has waited for ${age((now - Date.parse(at)) / 1000)}, since ${clock(at, now)} UTC`;

function cells(wait) {
  const { instance, ti } = wait;
  const value = fleet.valueOf(wait);
  const label = ti.index < 0 ? "" : ` [${instance.rendered_map_index ?? ti.index}]`;
  return [
    [outward(addressOf(ti, TAB), `${ti.dag} / ${ti.task}${label}`), h("br"), h("span", { class: "note" }, [KINDS[value?.kind], ti.run].filter(Boolean).join(", "))],
    target(value),
    done(value),
    oldest(value, true),
    since(startOf(wait)),
    ends(value),
  ];
}

function demand(more) {
  const button = h("button", { type: "button" }, `Show ${count(Math.min(more, ROWS))} of ${count(more)} more`);
  button.addEventListener("click", () => {
    rows += ROWS;
    rearrange();
  });
  return h("p", { class: "again" }, button);
}

/** The next look says what could not be read. */
const rearrange = () => arrange().catch((error) => console.warn(String(error)));

watch(refresh, "the task instances and XComs of DAGs");
document.getElementById("search").addEventListener("submit", (event) => event.preventDefault());
words.addEventListener("input", () => {
  rows = ROWS;
  rearrange();
});
