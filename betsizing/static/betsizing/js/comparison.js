/* A comparison that is not finished is looked at every two seconds; the reload link is for who runs no script. */

import { Live } from "./live.js";

const EVERY_MS = 2000;

const place = document.getElementById("comparison");
const announce = document.getElementById("announce");
const live = new Live(place, place.dataset.live);

const unfinished = () => place.querySelector("[data-unfinished]") !== null;
const state = () => place.querySelector("#progress").textContent.trim();

async function look() {
  if (!document.hidden) {
    const before = state();
    const pressing = place.contains(document.activeElement);
    try {
      await live.show("");
      if (pressing) place.querySelector("form button")?.focus();
      if (state() !== before) announce.textContent = state();
    } catch (problem) {
      announce.textContent = `${problem.message} The page shows what came last.`;
    }
  }
  if (unfinished()) setTimeout(look, EVERY_MS);
}

if (unfinished()) setTimeout(look, EVERY_MS);
