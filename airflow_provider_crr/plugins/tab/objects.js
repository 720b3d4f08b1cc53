// Objects by status: all of them as a bar and a table, and those that are named.

import { h, key, section, table } from "./dom.js";
import { count, share } from "./format.js";
import { bar, chip, growing, meaning, REST, sorted } from "./status.js";

/** All objects by status; `extra` stands below the table. */
export function byStatus({ statuses, total }, ...extra) {
  const rows = sorted(statuses).map((status) => [chip(status), count(statuses[status]), share(statuses[status], total), meaning(status)]);
  const rest = total - Object.values(statuses).reduce((sum, number) => sum + number, 0);
  if (rest > 0) rows.splice(-1, 0, [REST, count(rest), share(rest, total), ""]);
  return section(
    "Objects by status",
    bar(growing(statuses, total), "Objects"),
    table("Objects by status", ["Status", "Objects", "Share", "Meaning"], rows, { class: "statuses" }),
    ...extra,
  );
}

/** Why an object is not replicated, without what S3 said of this one. */
const reasonOf = ({ reason, said }) => (said && reason?.endsWith(` (${said})`) ? reason.slice(0, -said.length - 3) : (reason ?? ""));

/** Objects that are named, those with one reason together, as elements. */
export function steps(sample, statuses) {
  const groups = new Map();
  for (const object of sample) {
    const name = JSON.stringify([object.status, reasonOf(object)]);
    groups.set(name, [...(groups.get(name) ?? []), object]);
  }
  return [...groups.values()].map((objects) => {
    const [{ status }] = objects;
    const reason = reasonOf(objects[0]);
    const notes = [...new Set(objects.flatMap(({ said, rule }) => [said, rule && `To be replicated ${rule}`]).filter(Boolean))];
    return h(
      "div",
      { class: `step step-${status.toLowerCase()}` },
      h("h3", {}, chip(status), h("span", { class: "note" }, `${objects.length} of ${count(statuses[status] ?? objects.length)}`)),
      h("p", {}, reason || meaning(status)),
      notes.map((words) => h("p", { class: "note" }, words)),
      h("ul", { class: "sample" }, objects.map(({ uri }) => h("li", {}, key(uri)))),
    );
  });
}

/** A section of objects that are named, out of `all` of them; null without any. */
export function named(title, sample, statuses, all, ...extra) {
  if (!sample.length) return null;
  return section(title, steps(sample, statuses),
    all > sample.length ? h("p", { class: "note" }, `and ${count(all - sample.length)} more, which the task did not name`) : null, ...extra);
}

/** What a person runs next; `connection` is that of the task, as far as it is known. */
export function next(uri, connection) {
  const option = connection && connection !== "aws_default" ? `--conn-id ${quoted(connection)} ` : "";
  return h("p", { class: "next" }, "Find out why: ", key(`airflow crr explain ${option}${quoted(uri)}`));
}

/** An argument as a shell reads it. */
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
