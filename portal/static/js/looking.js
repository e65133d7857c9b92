// Parts of a page that are looked at again every few seconds, as long as somebody sees the page, and merged by ids.
//
//   <div id="…" data-look="/t/acme/approvals" data-look-every="5">
import { merge, remember } from "./merging.js";

async function look(region) {
  const response = await fetch(region.dataset.look, { headers: { "HX-Request": "true" } });
  const elsewhere = response.headers.get("hx-redirect");
  if (elsewhere) location.href = elsewhere;
  if (elsewhere || !response.ok) return;
  const fresh = document.createElement("template");
  fresh.innerHTML = await response.text();
  const wanted = fresh.content.querySelector(`[id="${CSS.escape(region.id)}"]`);
  if (wanted) merge(region, wanted);
}

for (const region of document.querySelectorAll("[data-look]")) {
  remember(region);
  let isLooking = false;
  setInterval(async () => {
    if (document.hidden || isLooking) return;
    isLooking = true;
    try {
      await look(region);
    } catch {
      // Away for a moment: the next look finds out.
    }
    isLooking = false;
  }, 1_000 * region.dataset.lookEvery);
}
