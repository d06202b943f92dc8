/* The chart of one position: bids, stop, high-water mark, entry, tiers and fills. Fresh every five seconds while open. */

import { createChart, createSeriesMarkers, LineSeries, LineStyle, LineType } from "../vendor/lightweight-charts-5.2.1.mjs";

const EVERY_MS = 5000;
const BRIEF_SECONDS = 2400;

const figure = document.getElementById("path");
const place = figure.querySelector(".path-chart");
const said = figure.querySelector("[role=status]");
const dark = matchMedia("(prefers-color-scheme: dark)");

let brief = false; // so short that labels without seconds would repeat themselves

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function look() {
  return {
    layout: { background: { color: colour("paper") }, textColor: colour("muted"), attributionLogo: false, fontSize: 12 },
    grid: { vertLines: { color: colour("hairline") }, horzLines: { color: colour("hairline") } },
    timeScale: { timeVisible: true, secondsVisible: brief, rightOffset: 2, borderColor: colour("hairline") },
    rightPriceScale: { borderColor: colour("hairline") },
    localization: { priceFormatter: (price) => `${price < 0 ? "−" : ""}$${Math.abs(price).toFixed(2)}` },
    handleScale: { mouseWheel: false },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
  };
}

const chart = createChart(place, { ...look(), autoSize: true });
const quiet = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
const bids = chart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false });
const stop = chart.addSeries(LineSeries, { ...quiet, lineType: LineType.WithSteps, lineWidth: 2, title: "stop" });
const high = chart.addSeries(LineSeries, { ...quiet, lineType: LineType.WithSteps, lineWidth: 1, lineStyle: LineStyle.Dotted });
const marks = createSeriesMarkers(bids, []);
let lines = [];
let fitted = false;
let open = true;
let latest = null;

/* What is not known breaks the line: a point without a value. */
const points = (rows) => rows.map(({ t, value }) => (value === null ? { time: t } : { time: t, value }));

function draw(path) {
  latest = path;
  const times = path.bids.map(({ t }) => t);
  brief = times.length > 1 && times.at(-1) - times[0] < BRIEF_SECONDS;
  chart.applyOptions({ timeScale: { secondsVisible: brief } });
  bids.applyOptions({ color: colour("ink") });
  stop.applyOptions({ color: colour("loss") });
  high.applyOptions({ color: colour("muted") });
  bids.setData(points(path.bids));
  stop.setData(points(path.stop));
  high.setData(points(path.high_water));
  for (const line of lines) bids.removePriceLine(line);
  const at = (price, title, shade, style) => bids.createPriceLine({ price, title, color: colour(shade), lineStyle: style, lineWidth: 1, axisLabelVisible: true });
  lines = [
    at(path.entry, "entry", "accent", LineStyle.Solid),
    ...path.tiers.map((tier) => at(tier.price, tier.name, "gain", LineStyle.Dashed)),
  ];
  marks.setMarkers(path.fills.map(({ t, buys, text }) => ({
    time: t, text, position: buys ? "belowBar" : "aboveBar", shape: buys ? "arrowUp" : "arrowDown", color: colour(buys ? "accent" : "gain"),
  })));
  if (!fitted) chart.timeScale().fitContent();
  fitted = true;
  open = path.open;
}

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch(figure.dataset.path, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    draw(await answer.json());
    said.textContent = "";
  } catch (problem) {
    said.textContent = `${problem.message} The chart shows what came last.`;
  }
}

dark.addEventListener("change", () => {
  chart.applyOptions(look());
  if (latest) draw(latest);
});
setInterval(() => { if (open) ask(); }, EVERY_MS);
ask();
