// The chat beside the designer's form: sends what is written, looks again and again for what is new, and takes it over
// part by part, so that what is open stays open and nobody loses what they are typing.
import { merge, remember } from "./merging.js";

const AT_WORK = 1000;
const AT_REST = 3000;
const SILENT = "The portal does not answer. What you wrote is still here: try again in a moment.";

const panel = document.getElementById("rehearsal");
if (panel) start(panel);

function start(panel) {
  const base = panel.dataset.rehearsal;
  const state = document.getElementById("rehearsal-state");
  const composer = document.getElementById("rehearsal-say");
  const text = document.getElementById("rehearsal-text");
  let acting = 0;

  const version = () => document.getElementById("rehearsal-version")?.dataset ?? {};

  // -- Taking over what is new --------------------------------------------------------------------------------------

  function takeOver(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const log = document.getElementById("rehearsal-log");
    const isAtEnd = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const isWhole = merge(state, fresh.content);
    // What is left for later comes with the next look, which then asks as if nothing were known.
    if (!isWhole && version().version) document.getElementById("rehearsal-version").dataset.version = "";
    const now = document.getElementById("rehearsal-log");
    if (now && isAtEnd) now.scrollTop = now.scrollHeight;
    document.dispatchEvent(new CustomEvent("live:fresh", { detail: { part: "rehearsal" } }));
  }

  // -- Asking -------------------------------------------------------------------------------------------------------

  async function ask(url, options = {}) {
    const response = await fetch(url, { ...options, headers: { "HX-Request": "true", "HX-Request-Type": "partial" } });
    const elsewhere = response.headers.get("hx-redirect");
    if (elsewhere) location.href = elsewhere;
    return response;
  }

  async function look() {
    try {
      if (!document.hidden && !acting) {
        const asked = acting;
        const response = await ask(`${base}?version=${encodeURIComponent(version().version ?? "")}`);
        if (response.status === 200 && asked === acting) takeOver(await response.text());
      }
    } catch {
      // Away for a moment: the next look tells.
    }
    setTimeout(look, "waiting" in version() ? AT_WORK : AT_REST);
  }

  // -- Acting -------------------------------------------------------------------------------------------------------

  function complain(sentence) {
    let place = document.getElementById("rehearsal-sentence");
    if (!place) {
      place = document.createElement("div");
      place.id = "rehearsal-sentence";
      place.className = "would rehearsal-sentence";
      place.dataset.tone = "danger";
      place.setAttribute("role", "alert");
      document.getElementById("rehearsal-log")?.after(place);
    }
    place.textContent = sentence;
  }

  async function act(form, submitter) {
    const body = new URLSearchParams(new FormData(form, submitter));
    const isSaying = form.action.endsWith("/say");
    if (isSaying && !body.get("message")) body.set("message", crypto.randomUUID());
    acting += 1;
    panel.toggleAttribute("data-acting", true);
    try {
      const response = await ask(form.action, { method: "POST", body });
      const html = await response.text();
      if (html.includes('id="rehearsal-version"')) takeOver(html);
      else if (!response.ok) complain(new DOMParser().parseFromString(html, "text/html").body.textContent.trim() || SILENT);
      if (response.ok && form === composer) {
        text.value = "";
        grow();
        composer.elements.message.value = crypto.randomUUID();
        scrollToEnd();
      }
    } catch {
      complain(SILENT);
    } finally {
      acting -= 1;
      panel.toggleAttribute("data-acting", acting > 0);
    }
  }

  function scrollToEnd() {
    const log = document.getElementById("rehearsal-log");
    if (log) log.scrollTop = log.scrollHeight;
  }

  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (!form.action?.startsWith(`${location.origin}${base}/`)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (form === composer && (!text.value.trim() || acting)) return;
      form.closest("dialog")?.close();
      act(form, event.submitter);
    },
    true,
  );
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form?.hasAttribute("data-at-once") && form.closest("#rehearsal")) form.requestSubmit();
  });

  // -- Writing ------------------------------------------------------------------------------------------------------

  function grow() {
    text.rows = Math.min(8, Math.max(1, text.value.split("\n").length));
  }
  text.addEventListener("input", grow);
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    composer.requestSubmit();
  });

  // What is typed into the designer's form is no draft yet.
  document.getElementById("designer-form")?.addEventListener("input", () => {
    document.getElementById("rehearsal-unsaved").hidden = false;
  });

  composer.elements.message.disabled = false;
  if (!composer.elements.message.value) composer.elements.message.value = crypto.randomUUID();
  remember(state);
  grow();
  scrollToEnd();
  if (document.getElementById("rehearsal-version")) setTimeout(look, AT_WORK);
  else look();
}
