// What keeps a page alive: polls, ages, times in the reader's own zone, counts of what is ticked. No page needs it.
"use strict";

(() => {
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const RESTED_S = 5;
  const TICKS = "input[type=checkbox][name=ticket]";
  let lastLook = Date.now();

  document.documentElement.classList.add("scripted");

  function duration(seconds) {
    for (const [length, unit] of [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"]]) {
      if (seconds >= 2 * length) return `${Math.round(seconds / length)} ${unit}`;
    }
    return `${Math.max(0, Math.round(seconds))} s`;
  }

  function tellTimes() {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const told = duration((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== told) time.textContent = told;
    }
    for (const told of document.querySelectorAll("[data-due]")) {
      if (Date.parse(told.dataset.due) <= Date.now()) told.hidden = false;
    }
    for (const time of document.querySelectorAll("time[data-moment], time[data-age]")) {
      const words = new Date(time.dateTime).toLocaleString(undefined, {dateStyle: "medium", timeStyle: "short"});
      if ("moment" in time.dataset) time.textContent = words;
      else time.title = words;
    }
  }

  function countTicked() {
    for (const told of document.querySelectorAll("[data-count-of]")) {
      const form = document.getElementById(told.dataset.countOf);
      const boxes = form ? [...form.querySelectorAll(TICKS)] : [];
      const ticked = boxes.filter((box) => box.checked).length;
      told.textContent = ticked ? `${ticked} selected` : told.dataset.none;
      const all = form?.querySelector("[data-tick-all]");
      if (all) {
        all.hidden = boxes.length < 2;
        all.checked = ticked > 0 && ticked === boxes.length;
        all.indeterminate = ticked > 0 && ticked < boxes.length;
      }
    }
  }

  function refresh() {
    tellTimes();
    countTicked();
  }

  // Look for news: only while somebody can see the page, and not in step with every other desk.
  function poll() {
    const polled = document.querySelector("[data-poll-s]");
    const every = Number(polled?.dataset.pollS);
    if (!every || document.visibilityState !== "visible") return;
    if ((Date.now() - lastLook) / 1000 < every * (0.9 + Math.random() * 0.2)) return;
    lastLook = Date.now();
    htmx.trigger(polled, "poll");
  }

  function offline(text) {
    const told = document.getElementById("offline");
    if (told) {
      told.hidden = !text;
      if (told.textContent !== text) told.textContent = text;
    }
  }

  const isPoll = (ctx) => ctx.sourceEvent?.type === "poll";
  const keeps = (ctx) => isPoll(ctx) || Boolean(ctx.sourceElement?.matches?.("[data-keeps]"));

  document.addEventListener("htmx:config:request", (event) => {
    const {ctx} = event.detail;
    if (isPoll(ctx) && ctx.sourceElement.dataset.etag) {
      ctx.request.headers["If-None-Match"] = `"${ctx.sourceElement.dataset.etag}"`;
      ctx.request.cache = "no-store";
    }
  });

  document.addEventListener("htmx:before:response", (event) => {
    const {ctx} = event.detail;
    const {status} = ctx.response;
    const isSent = ctx.request.method === "POST";
    if (status < 500) offline("");
    else if (isSent) offline("The service did not answer in time. What you typed is still here: send it again, it counts once.");
    else offline("The service is not answering just now. What you see may be old; we keep trying.");
    const isKeptBack = isPoll(ctx) ? status >= 400 : isSent && status === 503;
    if (isKeptBack && !ctx.response.headers.get("HX-Redirect")) event.preventDefault();
  });

  document.addEventListener("htmx:error", (event) => {
    if (event.detail.error?.name === "AbortError") return;
    offline("No connection to the service. What you see may be old; we keep trying.");
  });

  // What was ticked stays ticked when the list is brought up to date; a form that was sent is as the server shows it.
  // Whoever worked a row that is gone goes on with the one in its place.
  let ticked = [];
  let rowAt = -1;
  let isKept = false;
  const boxes = () => [...document.querySelectorAll(TICKS)];
  const rows = () => [...document.querySelectorAll("[data-row]")];

  document.addEventListener("htmx:before:swap", (event) => {
    isKept = keeps(event.detail.ctx);  // afterwards, what was pressed may be gone
    ticked = boxes().filter((box) => box.checked).map((box) => box.value);
    rowAt = rows().indexOf(document.activeElement?.closest?.("[data-row]"));
  });

  document.addEventListener("htmx:after:swap", (event) => {
    const ctx = event.detail.ctx;
    if (ctx && isKept) {
      for (const box of boxes()) box.checked = ticked.includes(box.value);
      if (!isPoll(ctx)) document.getElementById("list")?.focus();
    } else {
      const sent = ctx?.sourceElement?.closest?.("form");
      if (sent?.isConnected) sent.reset();
      const wrong = document.querySelector("[aria-invalid=true]");
      const first = document.querySelector("#main [autofocus]");
      if (wrong ?? first) (wrong ?? first).focus();
      else if (rowAt >= 0 && (document.activeElement ?? document.body) === document.body) {
        const all = rows();
        (all[Math.min(rowAt, all.length - 1)]?.querySelector("[data-row-link]") ?? document.getElementById("main"))?.focus();
      }
    }
    lastLook = Date.now();
    refresh();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-tick-all]")) {
      for (const box of event.target.closest("form").querySelectorAll(TICKS)) box.checked = event.target.checked;
    }
    countTicked();
  });

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && Date.now() - lastLook > RESTED_S * 1000) {
      lastLook = 0;
      poll();
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    refresh();
    document.querySelector("form[data-go-on]")?.requestSubmit();
    setInterval(poll, 1000);
    setInterval(tellTimes, 15000);
  });
})();
