/* Keeps the desk fresh: shows what the stream brings while it is looked at; where there is none it asks every two
   seconds. Says when nothing comes, and lets what moved glide. */

import { Live } from "./live.js";

const EVERY_MS = 2000;
const GLIDE_MS = 150;
const SILENT_MS = 12000; // the stream brings something every five seconds
const AGAIN_MS = 10000; // a stream that was lost is tried again, not at every look

const desk = document.getElementById("desk");
const pulse = document.getElementById("pulse");
const trouble = document.getElementById("trouble");
const announce = document.getElementById("announce");
const fragments = new Live(desk, desk.dataset.live);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let answeredAt = performance.now();
let lost = false;
let asking = false;
let focused = null;
let stream = null;
let triedAt = -Infinity;
let heardAt = -Infinity;

/* ---- The stream ---- */

function watch() {
  if (stream || document.hidden || performance.now() - triedAt < AGAIN_MS) return;
  triedAt = performance.now();
  stream = new EventSource(desk.dataset.stream);
  stream.addEventListener("desk", ({ data }) => {
    heardAt = performance.now();
    show(() => fragments.put(data));
    beat();
  });
  stream.addEventListener("over", leave);
  stream.addEventListener("error", leave);
}

function leave() {
  stream?.close();
  stream = null;
}

/* What is new is shown; what was there before it glides, keeps its focus, and is not read out again. */
function show(put, before = marks(), known = events()) {
  put();
  answeredAt = performance.now();
  lost = false;
  desk.classList.remove("is-stale");
  trouble.hidden = true;
  restoreFocus();
  glide(before);
  tell(known);
}

/* ---- Asking ---- */

async function ask() {
  if (asking || document.hidden) return;
  if (stream && performance.now() - Math.max(heardAt, triedAt) < SILENT_MS) return;
  leave();
  asking = true;
  const before = marks();
  const known = events();
  try {
    if ((await fragments.show("")) === "superseded") return;
    show(() => {}, before, known);
    watch(); // its answer lets the page open a stream again
  } catch (problem) {
    lost = true;
    desk.classList.add("is-stale");
    trouble.textContent = `${problem.message} The numbers below are the last ones that came.`;
    trouble.hidden = false;
  } finally {
    asking = false;
    beat();
  }
}

function beat() {
  const seconds = Math.round((performance.now() - answeredAt) / 1000);
  const text = document.hidden ? "○ paused" : lost ? `✕ no answer for ${seconds} s` : `● live${seconds > 3 ? `, ${seconds} s ago` : ""}`;
  if (pulse.textContent !== text) pulse.textContent = text;
  pulse.classList.toggle("is-lost", lost);
}

/* ---- What stays where it was when the numbers change ---- */

desk.addEventListener("focusin", (event) => { focused = event.target.dataset.key ?? null; });
desk.addEventListener("focusout", (event) => { if (event.relatedTarget) focused = null; });

function restoreFocus() {
  if (focused && !desk.contains(document.activeElement) && document.activeElement === document.body) {
    desk.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
}

/* Where each mark stands, in pixels, by its key. */
function marks() {
  const found = new Map();
  for (const mark of desk.querySelectorAll("[data-glide]")) found.set(mark.dataset.key, mark.getBoundingClientRect());
  return found;
}

/* A mark that really moved glides from where it was. */
function glide(before) {
  if (calm.matches) return;
  for (const mark of desk.querySelectorAll("[data-glide]")) {
    const was = before.get(mark.dataset.key);
    if (!was) continue;
    const is = mark.getBoundingClientRect();
    const moved = mark.dataset.glide === "width" ? 0 : was.left - is.left;
    if (Math.abs(moved) < 0.5 || Math.abs(was.top - is.top) > 0.5) continue;
    mark.animate([{ transform: `translateX(${moved}px)` }, { transform: "none" }], { duration: GLIDE_MS, easing: "ease-out" });
  }
}

/* Screen readers hear what happened, once. */
function events() {
  return new Set([...desk.querySelectorAll("[data-event]")].map((event) => event.dataset.event));
}

function tell(known) {
  const news = [...desk.querySelectorAll("[data-event]")].filter((event) => !known.has(event.dataset.event));
  if (news.length) announce.textContent = news.map((event) => event.textContent.replace(/\s+/g, " ").trim()).join(". ");
}

setInterval(ask, EVERY_MS);
setInterval(beat, 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) leave(); // a browser opens six connections to a server: tabs that nobody sees must not hold them
  triedAt = -Infinity;
  beat();
  ask();
});
watch();
beat();
