// Degraded mode: every answer says how tickets are dealt, so the banner is true also on a page that only polls.
"use strict";

document.addEventListener("htmx:before:response", (event) => {
  const mode = event.detail.ctx.response.headers.get("Fairdeal-Mode");
  const banner = document.getElementById("degraded");
  if (mode === null || banner === null) return;
  const words = JSON.parse(banner.dataset.words)[mode] ?? "";
  if (banner.textContent !== words) banner.textContent = words;
  banner.hidden = words === "";
});
