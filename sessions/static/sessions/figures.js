"use strict";

/*
 * The dashboard's charts, and its refresh.
 *
 * A chart draws the table below it, so the two have the same numbers and the same links. Chart.js comes with the theme.
 * Every half minute the page fetches its figures again, as HTML, and writes what has changed into the elements that are
 * there. So nothing flickers, and the focus stays where it is. A tab that nobody sees fetches nothing.
 */

const REFRESH_EVERY = 30_000;
const LOGGED_OUT = "These figures are no longer refreshed. Reload the page to log in again.";
const FAILED = "The last refresh failed. The page tries again.";
const COLORS = 8;

const inFull = new Intl.NumberFormat("en");
const inShort = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

// --- the table as data --------------------------------------------------------------------------

const numberIn = (cell) => (cell.dataset.n === "" ? null : Number(cell.dataset.n));
const linkIn = (cell) => cell.querySelector("a")?.href;

/** Return the rows and the series of a table. The rows of days begin with the oldest day, unlike the table. */
function readTable(table, { isByDay }) {
  const rows = [...table.tBodies[0].rows];
  if (isByDay) rows.reverse();
  return {
    title: table.caption.textContent,
    labels: rows.map((row) => row.cells[0].dataset.label ?? row.cells[0].textContent),
    names: rows.map((row) => row.cells[0].textContent.trim()),
    links: rows.map((row) => linkIn(row.cells[1])),
    series: [...table.tHead.rows[0].cells].filter((head) => head.dataset.color).map((head) => ({
      label: head.textContent,
      color: Number(head.dataset.color),
      counts: rows.map((row) => numberIn(row.cells[head.cellIndex])),
      links: rows.map((row) => linkIn(row.cells[head.cellIndex])),
    })),
  };
}

// --- colors -------------------------------------------------------------------------------------

/** Return the colors of the theme, which the style sheet has as variables. */
function colorsOf(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    series: Array.from({ length: COLORS }, (_, number) => read(`--chart-${number}`)),
    one: read("--chart-one"),
    card: read("--chart-card"),
    line: read("--chart-line"),
    text: read("--chart-text"),
    strong: read("--chart-strong"),
  };
}

/** Return the fill of a series: a color, and stripes of it when the colors are used up. */
function fillOf(number, colors) {
  const color = colors.series[number % COLORS];
  if (number < COLORS) return color;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.fillStyle = colors.card;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = color;
  pen.lineWidth = 2.5;
  for (const x of [-6, 0, 6]) {
    pen.beginPath();
    pen.moveTo(x, 6);
    pen.lineTo(x + 6, 0);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
}

// --- the three kinds of charts ------------------------------------------------------------------

const KINDS = {
  line: (series, colors) => ({
    data: series.counts,
    label: series.label,
    borderColor: colors.one,
    backgroundColor: `${colors.one}24`,
    pointBackgroundColor: colors.one,
    borderWidth: 2,
    pointRadius: 2.5,
    pointHoverRadius: 5,
    fill: "origin",
  }),
  stacked: (series, colors) => ({
    data: series.counts,
    label: series.label,
    backgroundColor: fillOf(series.color, colors),
    borderColor: colors.card,
    borderWidth: { top: 1 },
    borderSkipped: false,
    categoryPercentage: 0.92,
    barPercentage: 0.92,
  }),
  bars: (series, colors) => ({
    data: series.counts,
    label: series.label,
    backgroundColor: colors.one,
    borderRadius: 3,
    maxBarThickness: 14,
  }),
};

/** Write each number at the end of its bar. */
const numbersAtBars = {
  id: "numbersAtBars",
  afterDatasetsDraw(chart) {
    const pen = chart.ctx;
    pen.save();
    pen.font = `500 12px ${Chart.defaults.font.family}`;
    pen.fillStyle = chart.options.plugins.numbersAtBars.color;
    pen.textBaseline = "middle";
    for (const [number, bar] of chart.getDatasetMeta(0).data.entries()) {
      pen.fillText(inFull.format(chart.data.datasets[0].data[number]), bar.x + 6, bar.y);
    }
    pen.restore();
  },
};

function axesOf(kind, data, colors) {
  const ticks = { color: colors.text, font: { size: 11 } };
  const numbers = {
    beginAtZero: true,
    stacked: kind === "stacked",
    suggestedMax: 4,
    border: { display: false },
    grid: { color: colors.line },
    ticks: { ...ticks, precision: 0, maxTicksLimit: 6, callback: (value) => (value < 10_000 ? inFull : inShort).format(value) },
  };
  const names = {
    stacked: kind === "stacked",
    border: { color: colors.line },
    grid: { display: false },
    ticks: { ...ticks, maxRotation: 0, autoSkip: kind !== "bars", autoSkipPadding: 16 },
  };
  if (kind !== "bars") return { x: names, y: numbers };
  const shortened = { ...names, ticks: { ...names.ticks, callback: (number) => data.labels[number].replace(/^(.{17}).{2,}$/, "$1…") } };
  return { x: { ...numbers, ticks: { ...numbers.ticks, maxTicksLimit: 4 } }, y: shortened };
}

/** Say what is below the pointer: every series of that day or bar, with its number. */
function tooltipOf(kind, data) {
  const shareOf = (value) => `${((100 * value) / data.series[0].counts.reduce((sum, count) => sum + count, 0)).toFixed(1)} %`;
  return {
    animation: false,
    yAlign: kind === "bars" ? "bottom" : undefined,
    boxPadding: 4,
    filter: (item) => item.raw !== null && (kind !== "stacked" || item.raw > 0),
    callbacks: {
      title: ([first]) => (first ? data.names[first.dataIndex] : ""),
      label: (item) => `${item.dataset.label}: ${inFull.format(item.raw)}${kind === "bars" ? ` (${shareOf(item.raw)})` : ""}`,
      footer: (items) => (kind === "stacked" && items.length > 1 ? `All: ${inFull.format(items.reduce((sum, item) => sum + item.raw, 0))}` : ""),
    },
  };
}

// A tap shows the numbers. Only the second tap on the same place follows the link; a mouse follows it at once.
let tapped = null;

function follow(chart, data, event) {
  const [part] = chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, false);
  const [whole] = chart.getElementsAtEventForMode(event, "index", { intersect: false, axis: chart.options.interaction.axis }, false);
  if (!whole) return;
  const link = (part && data.series[part.datasetIndex].links[part.index]) ?? data.links[whole.index];
  const isFirstTap = event.native.pointerType === "touch" && tapped !== link;
  tapped = link;
  if (link && !isFirstTap) location.assign(link);
}

function optionsOf(kind, data, colors) {
  return {
    animation: false,
    maintainAspectRatio: false,
    indexAxis: kind === "bars" ? "y" : "x",
    layout: { padding: { right: kind === "bars" ? 64 : 4 } },
    interaction: { mode: "index", intersect: false, axis: kind === "bars" ? "y" : "x" },
    scales: axesOf(kind, data, colors),
    plugins: {
      legend: { display: false },
      tooltip: tooltipOf(kind, data),
      numbersAtBars: { color: colors.strong },
    },
    onClick: (event, _, chart) => follow(chart, data, event),
    onHover: (event, found) => { event.native.target.style.cursor = found.length ? "pointer" : "default"; },
  };
}

/** Say in a sentence what a chart shows, for those who don't see it. */
function inWords(data) {
  const last = data.labels.length - 1;
  return `Chart: ${data.title}. ${data.names[0]} to ${data.names[last]}. The numbers are in the table below it.`;
}

function draw(box) {
  const kind = box.dataset.chart;
  const table = box.querySelector("table");
  const place = box.querySelector(".za-canvas");
  const data = readTable(table, { isByDay: kind !== "bars" });
  const colors = colorsOf(place);
  const facts = { labels: data.labels, datasets: data.series.map((series) => KINDS[kind](series, colors)) };
  const options = optionsOf(kind, data, colors);
  if (kind === "bars") place.dataset.rows = Math.min(data.labels.length, 11);
  const canvas = place.querySelector("canvas") ?? place.appendChild(document.createElement("canvas"));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", inWords(data));
  const chart = Chart.getChart(canvas);
  if (chart) {
    chart.data = facts;
    chart.options = options;
    chart.update("none");
  } else {
    const type = kind === "line" ? "line" : "bar";
    box.querySelector("details").open = false;
    new Chart(canvas, { type, data: facts, options, plugins: kind === "bars" ? [numbersAtBars] : [] });
  }
}

function drawAll() {
  Chart.defaults.font.family = "Inter, sans-serif";
  for (const box of document.querySelectorAll("[data-chart]")) draw(box);
}

// --- the refresh --------------------------------------------------------------------------------

/** Make ``old`` equal to ``fresh``, and leave alone what is equal already, what is open, and the charts. */
function renew(old, fresh) {
  if (old.dataset?.keep !== undefined || old.isEqualNode(fresh)) return;
  const isSame = old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && old.id === fresh.id;
  if (!isSame || old.dataset?.chart !== fresh.dataset?.chart) {
    for (const canvas of old.querySelectorAll?.("canvas") ?? []) Chart.getChart(canvas)?.destroy();
    old.replaceWith(fresh);
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
  } else {
    renewAttributes(old, fresh);
    const [ours, theirs] = [[...old.childNodes], [...fresh.childNodes]];
    for (const [number, child] of theirs.entries()) {
      if (ours[number]) renew(ours[number], child);
      else old.append(child);
    }
    for (const child of ours.slice(theirs.length)) child.remove();
  }
}

function renewAttributes(old, fresh) {
  if (old.nodeName === "DETAILS") return; // a reader has opened or closed it
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
}

let isStopped = false;
let isFetching = false;
let fetchedAt = Date.now();

function tell(text) {
  document.querySelector("#refresh-state")?.replaceChildren(text);
}

async function refresh() {
  const figures = document.querySelector("#figures");
  if (isStopped || isFetching || document.hidden || !figures) return;
  isFetching = true;
  try {
    // The header says that nobody asked for it, so that the session times out on a screen that is left alone.
    const answer = await fetch(figures.dataset.url, { headers: { "X-By-Itself": "1" }, signal: AbortSignal.timeout(20_000) });
    if (answer.redirected || [401, 403, 404].includes(answer.status)) {
      isStopped = true;
      tell(LOGGED_OUT);
    } else if (!answer.ok) {
      tell(FAILED);
    } else {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#figures");
      renew(figures, document.adoptNode(fresh));
      drawAll();
    }
  } catch {
    tell(FAILED);
  } finally {
    isFetching = false;
    fetchedAt = Date.now();
  }
}

document.addEventListener("DOMContentLoaded", () => {
  drawAll();
  setInterval(refresh, REFRESH_EVERY);
  document.addEventListener("visibilitychange", () => { if (Date.now() - fetchedAt >= REFRESH_EVERY) refresh(); });
  new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["class"] });
});
