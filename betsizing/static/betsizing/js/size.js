/* Makes the ticket live: every change asks the server for the answer; the page's address always says what is asked. */

import { Live } from "./live.js";

const TYPING_MS = 120;
const REFRESH_MS = 10000;

const form = document.getElementById("ticket");
const answer = document.getElementById("answer");
const chain = document.getElementById("chain");
const trouble = document.getElementById("trouble");
const announce = document.getElementById("announce");
const search = document.getElementById("search");
const slider = document.getElementById("confidence-slider");
const confidence = document.getElementById("confidence");
const clock = document.querySelector(".switcher summary time");
const picked = form.querySelector("input[name=contract]"); // the buttons of the chain share its name

const answers = new Live(answer, form.dataset.answer);
const chains = new Live(chain, form.dataset.chain);

function question() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") query.set(name, value);
  return query;
}

async function ask() {
  const query = question();
  history.replaceState(null, "", `?${query}`);
  try {
    if ((await answers.show(query)) === "superseded") return;
    trouble.hidden = true;
    answer.classList.remove("is-stale");
    say(answer.querySelector("#sentence, .problem")?.textContent ?? "");
  } catch (problem) {
    answer.classList.add("is-stale");
    trouble.textContent = `${problem.message} The answer below is the last one that came.`;
    trouble.hidden = false;
  }
}

/* Screen readers hear the sentence, and only when it is another one. */
function say(sentence) {
  const text = sentence.replace(/\s+/g, " ").trim();
  if (announce.textContent !== text) announce.textContent = text;
}

async function list() {
  const at = document.activeElement?.closest?.("#chain button")?.value;
  const top = chain.querySelector(".chain-scroll")?.scrollTop ?? 0;
  try {
    if ((await chains.show(question())) === "superseded") return;
    if (chain.classList.contains("is-stale")) trouble.hidden = !answer.classList.contains("is-stale");
    chain.classList.remove("is-stale");
  } catch (problem) {
    chain.classList.add("is-stale");
    trouble.textContent = `${problem.message} The chain is the last one that came.`;
    trouble.hidden = false;
    return;
  }
  const scroll = chain.querySelector(".chain-scroll");
  if (scroll) scroll.scrollTop = top;
  if (at) chain.querySelector(`button[value="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
}

function later(work) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, TYPING_MS);
  };
}

const askSoon = later(ask);
const listSoon = later(list);

function pick(symbol) {
  picked.value = symbol;
  for (const button of chain.querySelectorAll("button[name=contract]")) {
    const mine = button.value === symbol;
    button.closest("tr").classList.toggle("is-picked", mine);
    if (mine) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  ask();
}

/* Fewer contracts may be placed than the answer says: the button names what it will place. */
function nameFewer(field) {
  const button = field.form.querySelector("button");
  const count = Number(field.value);
  const most = Number(button.dataset.contracts);
  button.disabled = !Number.isInteger(count) || count < 1 || count > most;
  if (button.disabled) return;
  const share = (Number(button.dataset.share) / most) * count * 100;
  button.textContent = `Place ${count.toLocaleString("en-US")} contract${count === 1 ? "" : "s"}, ${share.toFixed(1)}% of this account`;
}

function offerFewer() {
  for (const label of answer.querySelectorAll(".place .fewer")) label.hidden = false;
}

function wire() {
  offerFewer();
  answer.addEventListener("shown", offerFewer);
  slider.disabled = false;
  if (confidence.value) slider.value = confidence.value;

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches?.(".place input[name=contracts]")) return nameFewer(field);
    if (field === slider) confidence.value = Number(slider.value).toFixed(2);
    if (field === confidence && confidence.value !== "" && Number.isFinite(Number(confidence.value))) slider.value = confidence.value;
    if (field.name === "q" || field.name === "expiration") {
      chain.setAttribute("aria-busy", "true");
      listSoon();
    } else if (field === slider || field.form === form) {
      answer.setAttribute("aria-busy", "true");
      askSoon();
    }
  });

  document.addEventListener("click", (event) => {
    const underlying = event.target.closest?.("button[name=q]");
    if (underlying) {
      event.preventDefault();
      search.value = underlying.value;
      search.dispatchEvent(new Event("input", { bubbles: true }));
      return;
    }
    const button = event.target.closest?.("button[name=contract]") ?? event.target.closest?.(".chain tbody tr")?.querySelector("button[name=contract]");
    if (!button) return;
    event.preventDefault();
    pick(button.value);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });

  // Market numbers age: ask again while the page is looked at and its market moves.
  setInterval(() => {
    const stands = clock && !Number(clock.dataset.speed);
    if (document.hidden || stands || answer.hasAttribute("aria-busy")) return;
    if (document.activeElement?.closest?.(".place input, .place select")) return; // somebody is choosing there
    if (picked.value) ask();
    list();
  }, REFRESH_MS);
}

/* Move only the chain, never the page. */
function showPicked() {
  const row = chain.querySelector(".is-picked");
  const scroll = chain.querySelector(".chain-scroll");
  if (row && scroll) scroll.scrollTop = row.offsetTop - scroll.clientHeight / 2;
}

wire();
showPicked();
