// What both pages do: show, look again while somebody looks on, and say what Airflow refuses.

import { ApiError } from "./api.js";
import { banner, h, tick } from "./dom.js";
import { followTheme } from "./theme.js";

/** Milliseconds between two looks at what has ended, or is none of ours. */
export const LATER = 30_000;
/** Milliseconds after which texts such as "in 42s" go on. */
const TICK = 1000;

const page = document.getElementById("page");
let shown = "";

/** Replace what is shown, unless it is shown already: what a reader has opened or selected stays. */
export function show(name, build) {
  if (name === shown) return;
  shown = name;
  const open = new Set([...page.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent));
  page.replaceChildren(...build().flat(Infinity).filter(Boolean));
  for (const summary of page.querySelectorAll("details > summary")) summary.parentElement.open = open.has(summary.textContent);
  page.setAttribute("aria-busy", "false");
  const said = document.getElementById("announcement");
  const headline = page.querySelector("h1")?.textContent ?? "";
  if (said.textContent !== headline) said.textContent = headline; // read aloud once
}

/** Whether this is what is shown. */
export const isShown = (name) => name === shown;

/**
 * Look, and look again after the milliseconds that `look` returns, as long as somebody sees the page.
 * @param needs what reading it needs, as words.
 */
export function watch(look, needs) {
  followTheme();
  let [timer, ticker, looking] = [0, 0, false];
  const next = async () => {
    clearTimeout(timer);
    if (looking) return;
    looking = true;
    let pause = LATER;
    try {
      pause = await look();
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error);
      show(`error ${error.status ?? error}`, () => failure(error, next, needs));
    }
    looking = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(next, pause);
  };
  // A tab that nobody looks at asks nothing.
  const seen = () => {
    clearTimeout(timer);
    clearInterval(ticker);
    if (document.hidden) return;
    ticker = setInterval(() => tick(page), TICK);
    next();
  };
  document.addEventListener("visibilitychange", seen);
  seen();
  return next;
}

function failure(error, again, needs) {
  const words = {
    0: ["Airflow cannot be reached", "The connection to Airflow's API server failed."],
    401: ["You are not signed in", "Sign in to Airflow, then open this page again."],
    403: ["You may not see this", `Reading it needs permission to read ${needs}.`],
    404: ["There is no such task instance", "It may have been deleted, or its DAG changed."],
  }[error.status] ?? ["Airflow gave no answer that can be read", error.status ? `It answered HTTP ${error.status}.` : String(error)];
  const button = h("button", { type: "button" }, "Try again");
  button.addEventListener("click", again);
  return [banner("bad", ...words), h("p", { class: "again" }, button)];
}
