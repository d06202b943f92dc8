/* The tour of the desk: one step at a time, beside what it speaks of. Ended once, it comes only when asked for. */

const KEY = "betsizing.tour";

const tour = document.getElementById("tour");
const opener = document.getElementById("tour-open");
const steps = [...tour.querySelectorAll("[data-step]")];
const [next, back] = tour.querySelectorAll("[data-turn]");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let at = 0;

/* A browser that keeps nothing shows the tour at each visit. */
function remember() {
  try { localStorage.setItem(KEY, "ended"); } catch { /* storage is switched off */ }
}

function ended() {
  try { return localStorage.getItem(KEY) === "ended"; } catch { return false; }
}

function show(step, scroll = true) {
  at = step;
  for (const each of steps) each.hidden = each !== steps[at];
  tour.querySelector("[data-count]").textContent = `${at + 1} of ${steps.length}`;
  back.disabled = at === 0;
  next.textContent = at === steps.length - 1 ? "Done" : "Next";
  tour.hidden = false;
  opener.hidden = true;
  /* What is spoken of is marked from the body: the desk's own elements are replaced every few seconds. */
  document.body.dataset.tour = steps[at].dataset.step;
  if (scroll) document.querySelector(steps[at].dataset.at)?.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
}

function end() {
  const inside = tour.contains(document.activeElement);
  tour.hidden = true;
  opener.hidden = false;
  delete document.body.dataset.tour;
  remember();
  if (inside) opener.focus({ preventScroll: true });
}

function turn(by) {
  if (at + by >= steps.length) end();
  else show(Math.max(0, at + by));
}

back.addEventListener("click", () => {
  turn(-1);
  if (back.disabled) next.focus({ preventScroll: true });
});
next.addEventListener("click", () => turn(1));
tour.querySelector("[data-end]").addEventListener("click", end);
opener.addEventListener("click", () => {
  show(0);
  tour.focus({ preventScroll: true });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !tour.hidden && !document.querySelector("dialog[open]")) end();
});

if (ended()) opener.hidden = false;
else show(0, false);
