/* "g" then a letter goes to a page: the letters stand at the links themselves. Alt K arms the kill switch. */

const PATIENCE_MS = 1200;
let asked = 0;

function typing(element) {
  return element.matches?.("input:not([type=radio]), textarea, select, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if (event.altKey && event.code === "KeyK") {
    event.preventDefault();
    document.querySelector("[data-stop]")?.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "g") {
    asked = performance.now();
    return;
  }
  if (asked && performance.now() - asked < PATIENCE_MS) {
    document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
  }
  asked = 0;
});
