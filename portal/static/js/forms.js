// Forms: pressed once, checked when one leaves a field, not left by accident, and not confirmed by accident.
import { announce, onNew } from "./parts.js";

// -- Pressed once ---------------------------------------------------------------------------------------------------

function setBusy(form, isBusy) {
  form.toggleAttribute("data-sending", isBusy);
  const pressed = form.querySelectorAll("[data-pressed]");
  for (const button of pressed) {
    button.toggleAttribute("data-pressed", isBusy);
    if (isBusy) {
      button.setAttribute("aria-busy", "true");
      button.setAttribute("aria-disabled", "true");
    } else {
      button.removeAttribute("aria-busy");
      button.removeAttribute("aria-disabled");
    }
  }
}

function startPending() {
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (!form.hasAttribute("data-sending")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const isHtmx = form.matches("[hx-post], [hx-get], [hx-put], [hx-delete], [hx-patch]");
    if (form.method === "dialog" || form.hasAttribute("data-no-pending") || (event.defaultPrevented && !isHtmx)) return;
    const button = event.submitter ?? form.querySelector("button:not([type=button])");
    button?.setAttribute("data-pressed", "");
    setBusy(form, true);
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const form = event.target.closest?.("form[data-sending]");
    if (form) setBusy(form, false);
  });
  // Back to a page that the browser has kept: its buttons work again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-sending]").forEach((form) => setBusy(form, false));
  });
}

// -- Checked when one leaves a field --------------------------------------------------------------------------------

function sentenceFor(field) {
  const { validity } = field;
  if (field.dataset.invalidText && !validity.valid) return field.dataset.invalidText;
  if (validity.valueMissing) return "Fill this in.";
  if (validity.typeMismatch && field.type === "email") return "Write an e-mail address, such as ana@example.com.";
  if (validity.typeMismatch && field.type === "url") return "Write a whole address, such as https://example.com.";
  return field.validationMessage;
}

function showError(field, sentence) {
  const place = document.getElementById(`${field.id}-error`);
  if (!place) return;
  place.textContent = sentence;
  place.hidden = !sentence;
  place.closest(".field")?.toggleAttribute("data-invalid", Boolean(sentence));
  const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
  const described = sentence ? [place.id, ...others] : others;
  if (described.length) field.setAttribute("aria-describedby", described.join(" "));
  else field.removeAttribute("aria-describedby");
  if (sentence) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

function startChecking() {
  const isField = (target) => target.matches?.("form :is(input, textarea, select)[id]") && target.willValidate;
  document.addEventListener("change", (event) => {
    if (isField(event.target)) event.target.dataset.touched = "";
  });
  document.addEventListener("focusout", (event) => {
    const field = event.target;
    // Who only passes through has not got it wrong yet.
    if (isField(field) && "touched" in field.dataset) showError(field, field.validity.valid ? "" : sentenceFor(field));
  });
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (isField(field) && field.getAttribute("aria-invalid") === "true" && field.validity.valid) showError(field, "");
  });
  document.addEventListener(
    "invalid",
    (event) => {
      if (!document.getElementById(`${event.target.id}-error`)) return;
      // Our sentence beside the field instead of the browser's bubble; the first one takes the focus.
      event.preventDefault();
      showError(event.target, sentenceFor(event.target));
      const first = event.target.form?.querySelector(":invalid:not(fieldset)");
      if (first === event.target) first.focus();
    },
    true,
  );
}

// -- Not left by accident -------------------------------------------------------------------------------------------

const asLoaded = new WeakMap();
let isLeaving = false;

function written(form) {
  const parts = [];
  for (const [name, value] of new FormData(form))
    parts.push([name, value instanceof File ? `${value.name} ${value.size}` : value]);
  return JSON.stringify(parts);
}

const isDirty = (form) =>
  !form.hasAttribute("data-sending") && asLoaded.has(form) && written(form) !== asLoaded.get(form);
const unsaved = () => [...document.querySelectorAll("form[data-guard-unsaved]")].find(isDirty);

function notice(root) {
  for (const form of root.querySelectorAll("form[data-guard-unsaved]"))
    // A form that came back with errors holds what is saved nowhere.
    if (!asLoaded.has(form)) asLoaded.set(form, form.querySelector("[data-error-summary]") ? "" : written(form));
}

/** For a page's own way of saving: what the form holds now is saved. */
export function isSaved(form) {
  asLoaded.set(form, written(form));
}

function startGuarding() {
  onNew(notice);
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && unsaved()) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const isPlain = !event.defaultPrevented && event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey);
    if (!link || !isPlain || link.target === "_blank" || link.hasAttribute("download")) return;
    if (link.getAttribute("href").startsWith("#") || !unsaved()) return;
    const dialog = document.getElementById("unsaved");
    if (!dialog) return;
    event.preventDefault();
    dialog.dataset.to = link.href;
    dialog.showModal();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-leave]")) return;
    isLeaving = true;
    location.href = document.getElementById("unsaved").dataset.to;
  });
}

// -- Not confirmed by accident --------------------------------------------------------------------------------------

function matchWord(form) {
  const typed = form.querySelector("[name=confirmation]").value.trim();
  const button = form.querySelector("button:not([type=button])");
  button.disabled = typed !== form.dataset.typeToConfirm;
}

// -- Small things ---------------------------------------------------------------------------------------------------

function reveal(button) {
  const field = document.getElementById(button.dataset.reveal);
  const isShown = field.type === "text";
  field.type = isShown ? "password" : "text";
  button.setAttribute("aria-pressed", String(!isShown));
  announce(isShown ? "What is typed is hidden." : "What is typed can be seen.");
}

export function start() {
  startPending();
  startChecking();
  startGuarding();
  onNew((root) => root.querySelectorAll("form[data-type-to-confirm]").forEach(matchWord));
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-type-to-confirm]");
    if (form) matchWord(form);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-reveal]");
    if (button) reveal(button);
  });
  document.querySelector("[data-error-summary]")?.focus();
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-error-summary] a");
    if (!link) return;
    event.preventDefault();
    document.getElementById(link.getAttribute("href").slice(1))?.focus();
  });
}
