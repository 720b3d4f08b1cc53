// Links out of the frame. Airflow's sandbox lets a frame neither navigate the page around it nor open another one, so
// the link is followed by the page around it, which is Airflow's own.

import { h } from "./dom.js";

/** Airflow's interface, whose base address may be a path. */
const AIRFLOW = new URL("../", document.baseURI);

/** The address of a task instance in Airflow's interface. */
export function addressOf({ dag, run, task, index }, tab = "") {
  const mapped = index < 0 ? [] : ["mapped", index];
  return new URL(["dags", dag, "runs", run, "tasks", task, ...mapped].map(encodeURIComponent).join("/") + tab, AIRFLOW).href;
}

/** Where Airflow shows the tab. */
export const TAB = "/plugin/s3-replication";

/** A link to a page of Airflow. */
export function outward(href, ...children) {
  const link = h("a", { href, target: "_top" }, children);
  link.addEventListener("click", (event) => {
    const around = airflow();
    if (!around) return; // this page is not in a frame
    event.preventDefault();
    const followed = around.createElement("a");
    followed.href = href;
    followed.target = event.ctrlKey || event.metaKey || event.shiftKey ? "_blank" : "_self";
    followed.rel = "noopener";
    followed.click();
  });
  return link;
}

function airflow() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null; // a frame of somebody else
  }
}
