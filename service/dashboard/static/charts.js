// Draws [data-chart] by uPlot. The page works without: every chart is also a table, and its newest values stand below it.
"use strict";

(() => {
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const HEIGHT = 200;
  const drawn = new Map();
  const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4], [1, 4]];

  function colour(element, name) {
    return getComputedStyle(element).getPropertyValue(name).trim();
  }

  function age(seconds) {
    for (const [length, unit] of [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"]]) {
      if (seconds >= 2 * length) return `${Number((seconds / length).toFixed(1))} ${unit}`;
    }
    return `${Math.round(seconds)} s`;
  }

  function worded(value, kind) {
    if (value === null || value === undefined) return "–";
    if (kind === "age") return age(value);
    return value.toLocaleString(undefined, {maximumFractionDigits: kind === "rate" ? 1 : 0});
  }

  function moment(seconds, isFar) {
    const style = isFar ? {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"} : {hour: "2-digit", minute: "2-digit"};
    return new Date(seconds * 1000).toLocaleString(undefined, {...style, hourCycle: "h23"});
  }

  function span(data) {
    return data.times.at(-1) - data.times[0];
  }

  // Whole steps of seconds, minutes, hours or days, where the unit is time; else whole numbers.
  const AGES = [1, 5, 15, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY, 100 * DAY];
  const COUNTS = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6, 7].map((power) => n * 10 ** power)).sort((a, b) => a - b);
  const RATES = [0.1, 0.2, 0.5, ...COUNTS];

  function axes(box, data) {
    const look = {
      stroke: colour(box, "--ink-soft"),
      font: `12px ${colour(box, "--type")}`,
      labelFont: `600 12px ${colour(box, "--type")}`,
      grid: {stroke: colour(box, "--line"), width: 1},
      ticks: {stroke: colour(box, "--line"), width: 1, size: 5},
    };
    const format = (u, splits, axis, space, step) =>
      splits.map((at) => step >= DAY || span(data) > 2 * DAY
        ? new Date(at * 1000).toLocaleDateString(undefined, {day: "numeric", month: "short"})
        : moment(at));
    return [
      {...look, values: format, space: 70, size: 32},
      {
        ...look, label: data.unit, labelSize: 18, size: 58, space: 34,
        incrs: {age: AGES, rate: RATES, count: COUNTS}[data.kind],
        values: (u, splits) => splits.map((value) => worded(value, data.kind)),
      },
    ];
  }

  function shadeDegraded(u) {
    const {degraded} = u.fairdeal;
    u.ctx.save();
    u.ctx.fillStyle = colour(u.root, "--warn-wash");
    const half = u.fairdeal.times.length > 1 ? (u.fairdeal.times[1] - u.fairdeal.times[0]) / 2 : 0;
    u.fairdeal.times.forEach((at, n) => {
      if (!degraded[n]) return;
      const left = Math.max(u.valToPos(at - half, "x", true), u.bbox.left);
      const right = Math.min(u.valToPos(at + half, "x", true), u.bbox.left + u.bbox.width);
      u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
    });
    u.ctx.restore();
  }

  // The values below the chart: those under the cursor, else the newest.
  function tell(u, box) {
    const figure = box.closest("figure");
    const {times, series, kind} = u.fairdeal;
    const at = u.cursor.idx;
    const time = figure.querySelector("[data-chart-time]");
    time.textContent = at === null || at === undefined ? time.dataset.chartTime : moment(times[at], true);
    figure.querySelectorAll("[data-line]").forEach((told, n) => {
      const values = series[n]?.values ?? [];
      const value = at === null || at === undefined ? values.findLast((each) => each !== null) : values[at];
      told.textContent = worded(value, kind);
    });
  }

  function options(box, data) {
    return {
      width: Math.max(200, box.clientWidth),
      height: HEIGHT,
      legend: {show: false},
      cursor: {y: false, drag: {x: false, y: false}, points: {size: 7}},
      scales: {
        x: {time: true},
        y: {range: (u, low, high) => [0, Math.max(high * 1.1, {age: MINUTE, rate: 1, count: 4}[data.kind])]},
      },
      axes: axes(box, data),
      series: [{}, ...data.series.map((line, n) => ({
        stroke: colour(box, `--chart-${line.key}`), width: 2, dash: DASHES[n % DASHES.length], spanGaps: false,
      }))],
      hooks: {drawClear: [shadeDegraded], setCursor: [(u) => tell(u, box)]},
    };
  }

  function draw(box) {
    const text = box.dataset.chart;
    const before = drawn.get(box);
    if (before?.text === text) return tell(before.plot, box);
    const data = JSON.parse(text);
    before?.plot.destroy();
    const columns = [data.times, ...data.series.map((line) => line.values)];
    const made = new uPlot(options(box, data), columns, (u, begin) => {
      u.fairdeal = data;
      box.replaceChildren(u.root);
      begin();
    });
    drawn.set(box, {text, plot: made});
    if (before?.index !== undefined) move(box, made, before.index);
  }

  function drawAll() {
    for (const [box, {plot}] of drawn) {
      if (!box.isConnected) {
        plot.destroy();
        drawn.delete(box);
      }
    }
    for (const box of document.querySelectorAll("[data-chart]")) {
      if (!drawn.has(box)) resized.observe(box);
      draw(box);
    }
  }

  function redrawAll() {
    for (const entry of drawn.values()) entry.text = "";
    drawAll();
  }

  function move(box, plot, index) {
    const entry = drawn.get(box);
    entry.index = Math.min(plot.data[0].length - 1, Math.max(0, index));
    plot.setCursor({left: plot.valToPos(plot.data[0][entry.index], "x"), top: 10});
  }

  const resized = new ResizeObserver((entries) => {
    for (const {target} of entries) {
      const entry = drawn.get(target);
      if (entry && target.clientWidth > 0 && target.clientWidth !== entry.plot.width) {
        entry.plot.setSize({width: target.clientWidth, height: HEIGHT});
      }
    }
  });

  // Arrow keys move through a chart that has the focus.
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.("[data-chart]");
    const entry = box && drawn.get(box);
    if (!entry) return;
    const last = entry.plot.data[0].length - 1;
    const at = entry.index ?? last + 1;
    const to = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(box, entry.plot, to);
  });
  document.addEventListener("focusout", (event) => {
    const entry = drawn.get(event.target);
    if (!entry) return;
    entry.index = undefined;
    entry.plot.setCursor({left: -10, top: -10});
  });

  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:after:swap", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
})();
