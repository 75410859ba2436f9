// The desk without the mouse. Everything here presses a button or follows a link that is on the page.
"use strict";

(() => {
  const STORE = "fairdeal.keys";
  const isOn = () => localStorage.getItem(STORE) !== "off";
  const rows = () => [...document.querySelectorAll("[data-rows] [data-row]")];

  function here() {
    const focused = document.activeElement?.closest?.("[data-row]");
    return focused ?? document.querySelector("[data-row].here");
  }

  function goTo(row) {
    if (!row) return;
    for (const other of rows()) other.classList.toggle("here", other === row);
    row.querySelector("[data-row-link]")?.focus();
    row.scrollIntoView({block: "nearest"});
  }

  function move(step) {
    const all = rows();
    const at = all.indexOf(here());
    goTo(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))]);
  }

  function press(act) {
    const button = document.querySelector(`[data-key-act="${act}"]`) ?? rowButton(act);
    button?.click();
    return Boolean(button);
  }

  function rowButton(act) {
    const row = here();
    if (!row) return null;
    const wanted = act === "start" ? "[data-row-act=start], [data-row-act=resolve]" : `[data-row-act=${act}]`;
    return row.querySelector(wanted);
  }

  function tick() {
    const box = here()?.querySelector("input[type=checkbox]");
    box?.click();
    return Boolean(box);
  }

  function help() {
    const dialog = document.getElementById("keys");
    if (dialog && !dialog.open) {
      dialog.querySelector("#keys-on").checked = isOn();
      dialog.showModal();
    }
    return Boolean(dialog);
  }

  function follow(selector) {
    const link = document.querySelector(selector);
    link?.click();
    return Boolean(link);
  }

  const KEYS = {
    "?": help,
    g: () => press("fetch"),
    j: () => (move(1), true),
    k: () => (move(-1), true),
    ArrowDown: () => Boolean(here()) && (move(1), true),
    ArrowUp: () => Boolean(here()) && (move(-1), true),
    o: () => { const link = here()?.querySelector("[data-row-link]"); link?.click(); return Boolean(link); },
    x: tick,
    s: () => press("start"),
    $: () => press("sell"),
    b: () => press("release"),
    d: () => follow(".crumbs a") || follow(".places a"),
  };

  function isTyping(target) {
    return target.closest?.("textarea, select, dialog, [contenteditable], input:not([type=checkbox])") != null;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key.length === 1 && !"jk".includes(event.key)) return;
    if (isTyping(event.target) || !document.getElementById("keys")) return;
    if (!isOn() && event.key !== "?") return;
    const act = KEYS[event.key];
    if (act && act()) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-key-help]")) {
      event.preventDefault();
      help();
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-on") localStorage.setItem(STORE, event.target.checked ? "on" : "off");
  });

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("[data-row]");
    if (row) for (const other of rows()) other.classList.toggle("here", other === row);
  });
})();
