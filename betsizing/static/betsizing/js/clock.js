/* Market clocks tick in their own time: market now = the time the server said + speed x the time passed since. */

const started = performance.now();
const firstSeen = new WeakMap(); // a clock that a live page put in later counts from then
const newYork = new Intl.DateTimeFormat("en-GB", {
  timeZone: "America/New_York", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

let first = true;
function tick() {
  for (const clock of document.querySelectorAll("time[data-at]")) {
    const speed = Number(clock.dataset.speed);
    if (!speed) continue;
    if (!firstSeen.has(clock)) firstSeen.set(clock, first ? started : performance.now());
    let now = Date.parse(clock.dataset.at) + speed * (performance.now() - firstSeen.get(clock));
    if (clock.dataset.endsAt) now = Math.min(now, Date.parse(clock.dataset.endsAt));
    const text = newYork.format(now);
    if (clock.textContent !== text) clock.textContent = text;
  }
  first = false;
}

tick();
setInterval(tick, 250);

// The switcher closes like a menu: by Escape and by a click elsewhere.
const switcher = document.querySelector(".switcher");
if (switcher) {
  document.addEventListener("click", (event) => {
    if (!switcher.contains(event.target)) switcher.open = false;
  });
  switcher.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && switcher.open) {
      switcher.open = false;
      switcher.querySelector("summary").focus();
    }
  });
}
