// The chat beside the designer's form: sends what is written, looks again and again for what is new, and takes it over
// part by part, so that what is open stays open and nobody loses what they are typing.

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
  /** What the server last said of each part, by its id. */
  const known = new Map();
  let acting = 0;

  const version = () => document.getElementById("rehearsal-version")?.dataset ?? {};

  // -- Taking over what is new --------------------------------------------------------------------------------------

  function takeOver(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const log = document.getElementById("rehearsal-log");
    const isAtEnd = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    const held = document.activeElement?.closest("#rehearsal-state [id]")?.id;
    merge(state, fresh.content);
    if (held && !document.activeElement?.closest("#rehearsal-state")) refocus(held);
    const now = document.getElementById("rehearsal-log");
    if (now && isAtEnd) now.scrollTop = now.scrollHeight;
  }

  /** Children of `place` become those of `wanted`; the ones with an id that say the same as before are left alone. */
  function merge(place, wanted) {
    const incoming = [...wanted.children];
    const ids = new Set(incoming.map((each) => each.id));
    for (const old of [...place.children]) if (!ids.has(old.id)) old.remove();
    let before = null;
    for (const each of incoming) {
      let here = place.querySelector(`:scope > [id="${each.id}"]`);
      const said = each.outerHTML;
      if (!here) {
        here = each;
        place.insertBefore(here, before ? before.nextSibling : place.firstChild);
      } else if (known.get(each.id) !== said) {
        if (each.id === "rehearsal-log") merge(here, each);
        else here = exchange(here, each);
      }
      known.set(here.id, said);
      before = here;
    }
  }

  function exchange(old, fresh) {
    for (const details of fresh.querySelectorAll("details[id]")) {
      const before = old.querySelector(`details[id="${details.id}"]`);
      if (before) details.open = before.open;
    }
    const places = [...old.querySelectorAll("details[id]")].map((each) => [each.id, each.scrollTop]);
    old.replaceWith(fresh);
    for (const [id, top] of places) {
      const details = document.getElementById(id);
      if (details) details.scrollTop = top;
    }
    return fresh;
  }

  function refocus(id) {
    const again = document.getElementById(id);
    (again?.querySelector("summary") ?? again)?.focus({ preventScroll: true });
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
  for (const each of state.children) if (each.id) known.set(each.id, each.outerHTML);
  grow();
  scrollToEnd();
  if (document.getElementById("rehearsal-version")) setTimeout(look, AT_WORK);
  else look();
}
