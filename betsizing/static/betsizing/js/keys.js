/* Keys: "/" searches, arrows walk the chain, Enter picks (a button does that by itself), "?" helps, Escape clears. */

const search = document.getElementById("search");
const help = document.getElementById("help");
const chain = document.getElementById("chain");
const opener = document.getElementById("help-open");

const contracts = () => [...document.querySelectorAll("#chain button[name=contract]")];

function walk(step) {
  const all = contracts();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  if (at === 0 && step < 0) {
    search.focus();
    return;
  }
  const current = all.findIndex((button) => button.hasAttribute("aria-current"));
  const next = at >= 0 ? at + step : document.activeElement === search || current < 0 ? 0 : current + step;
  const button = all[Math.max(0, Math.min(all.length - 1, next))];
  button.focus();
  button.scrollIntoView({ block: "nearest" });
}

/* Tab enters the chain once, at the contract that is picked or was looked at last, and then leaves it: arrows walk. */
function oneStop(at) {
  const all = contracts();
  const stop = at ?? all.find((button) => button.hasAttribute("aria-current")) ?? all[0];
  for (const button of all) button.tabIndex = button === stop ? 0 : -1;
}

/* The first contract that the search as typed finds: what is still on its way is waited for. */
let waiting = false;
function pickFirst() {
  if (!chain.hasAttribute("aria-busy")) {
    contracts()[0]?.click();
    return;
  }
  if (waiting) return;
  waiting = true;
  const settle = (event) => {
    waiting = false;
    chain.removeEventListener("shown", settle);
    chain.removeEventListener("lost", settle);
    if (event.type === "shown") contracts()[0]?.click();
  };
  chain.addEventListener("shown", settle);
  chain.addEventListener("lost", settle);
}

function typing(element) {
  return element.matches?.("input:not([type=radio]), textarea, select");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const from = event.target;
  const inChain = from.closest?.("#chain table");
  if (event.key === "/" && !typing(from)) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "?" && !typing(from)) {
    event.preventDefault();
    help.showModal();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (inChain || from === search || from === document.body)) {
    event.preventDefault();
    walk(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && from === search) {
    event.preventDefault();
    pickFirst();
  } else if (event.key === "Escape" && from === search && search.value) {
    search.value = "";
    search.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

chain.addEventListener("shown", () => oneStop());
chain.addEventListener("focusin", ({ target }) => {
  if (target.matches("button[name=contract]")) oneStop(target);
});
oneStop();

opener.hidden = false;
opener.addEventListener("click", () => help.showModal());
