// The designer: rows of its form are added, moved and removed by the server without the page being loaded again, what
// is wrong is told when one leaves a field, and models are dragged into their order. Without this, all buttons still work.
import { announce } from "./parts.js";
import { say } from "./toasts.js";

const WAIT = 350;
const AWAY = "Konstruct could not be reached. What you typed is still here; try again.";

const form = document.getElementById("designer-form");

function unsaved() {
  const state = form.querySelector("[data-save-state]");
  if (state && state.dataset.unsavedText !== state.textContent) state.textContent = state.dataset.unsavedText;
}

async function post(url, body) {
  // What is chosen to be uploaded goes along when it is saved, and not with every key.
  body.delete("upload");
  const answer = await fetch(url, { method: "POST", body, headers: { Accept: "text/html, application/json" } });
  if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
  return answer;
}

// -- Rows -------------------------------------------------------------------------------------------------------------

const controls = (region) => [...region.querySelectorAll("input[id], select[id], textarea[id]")];

async function edit(value) {
  const body = new FormData(form);
  body.set("edit", value);
  const known = new Set(controls(form).map((control) => control.id));
  const focused = document.activeElement?.id;
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await post(`${form.dataset.designer}/edit`, body);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of form.querySelectorAll("[data-region]")) {
      const fresh = page.getElementById(region.id);
      if (fresh) region.replaceWith(document.adoptNode(fresh));
    }
    if (value !== "try") unsaved();
    else announce(form.querySelector("[data-outcome]")?.textContent ?? "");
    document.dispatchEvent(new CustomEvent("htmx:after:swap", { detail: {} }));
    restoreFocus(value, known, focused);
  } catch {
    say(AWAY);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

/** On what came new, or else on the same button, or else on what was focused. */
function restoreFocus(value, known, focused) {
  const fresh = controls(form).find((control) => !known.has(control.id) && control.closest("[data-region]"));
  const again = form.querySelector(`button[value="${CSS.escape(value)}"]:not(:disabled)`);
  const kind = value.split(".")[0];
  const add = form.querySelector(`button[value="${CSS.escape(kind)}.add"]`);
  (fresh ?? document.getElementById(focused) ?? again ?? add)?.focus();
}

function startRows() {
  document.addEventListener(
    "submit",
    (event) => {
      const button = event.submitter;
      if (event.target !== form || !button?.hasAttribute("data-edit")) return;
      event.preventDefault();
      edit(button.value);
    },
    true,
  );
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-kind]")) edit("refresh");
  });
}

// -- Told when one leaves a field ---------------------------------------------------------------------------------------

function tell(place, sentence) {
  place.textContent = sentence;
  place.hidden = !sentence;
  const field = document.getElementById(place.id.replace(/-error$/, ""));
  field?.closest(".field")?.toggleAttribute("data-invalid", Boolean(sentence));
  if (!field) return;
  if (sentence) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

let latest = 0;

async function check() {
  const turn = ++latest;
  try {
    const found = await (await post(`${form.dataset.designer}/check`, new FormData(form))).json();
    if (turn !== latest) return;
    for (const place of form.querySelectorAll(".field-error[id]"))
      tell(place, found.errors[place.id.slice(2, -"-error".length)] ?? "");
    form.querySelector("[data-tokens]").textContent = found.tokens.toLocaleString("en-US");
  } catch {
    // Whatever is wrong is told again when it is saved.
  }
}

function startChecking() {
  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(check, WAIT);
  };
  form.addEventListener("input", unsaved);
  form.addEventListener("change", soon);
  form.querySelector("#f-system_prompt").addEventListener("input", soon);
}

// -- Dragged ------------------------------------------------------------------------------------------------------------

let dragged = null;

function startDragging() {
  form.addEventListener("pointerdown", (event) => {
    const row = event.target.closest(".grip")?.closest("li");
    if (row) row.draggable = true;
  });
  form.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-sortable] > li[draggable]") ?? null;
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    dragged.dataset.dragged = "";
  });
  form.addEventListener("dragover", (event) => {
    const over = event.target.closest?.("[data-sortable] > li");
    if (!dragged || !over || over.parentNode !== dragged.parentNode) return;
    event.preventDefault();
    if (over === dragged) return;
    const box = over.getBoundingClientRect();
    over.parentNode.insertBefore(dragged, event.clientY < box.top + box.height / 2 ? over : over.nextSibling);
  });
  form.addEventListener("drop", (event) => dragged && event.preventDefault());
  form.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.draggable = false;
    delete dragged.dataset.dragged;
    dragged = null;
    // The buttons of each row are told their new places.
    edit("refresh");
  });
}

if (form && !form.querySelector("fieldset.designer-fields").disabled) {
  startRows();
  startChecking();
  startDragging();
}
