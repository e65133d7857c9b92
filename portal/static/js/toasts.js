// Short messages. Those of the server are there already, or come by htmx; those of the browser are made of the template.
// Whatever they say is set as text.

const LASTS = 5000;
const LASTS_WITH_UNDO = 9000;

let isHeld = false;

/** Shows a sentence; `kind` is success, info, warning or error. */
export function say(sentence, kind = "error") {
  const template = document.getElementById("toast-template");
  const toaster = document.getElementById("toaster");
  const shown = [...toaster.querySelectorAll("[data-toast-text]")].some((text) => text.textContent === sentence);
  if (!template || shown) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.dataset.kind = kind;
  toast.querySelector("[data-toast-text]").textContent = sentence;
  toaster.append(toast);
}

/** Within the dialog that is open, for what is outside of it can neither be pressed nor heard. */
function rise(toaster) {
  const place = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  if (toaster.parentElement !== place) place.append(toaster);
}

function leave(toast) {
  toast.dataset.leaving = "";
  setTimeout(() => toast.remove(), 160);
}

function count(toast) {
  // What is wrong stays until somebody has read it.
  if (toast.dataset.kind === "error") return;
  let left = toast.querySelector("form") ? LASTS_WITH_UNDO : LASTS;
  const timer = setInterval(() => {
    if (!toast.isConnected) clearInterval(timer);
    if (isHeld || document.hidden) return;
    left -= 250;
    if (left <= 0) {
      clearInterval(timer);
      leave(toast);
    }
  }, 250);
}

export function start() {
  const toaster = document.getElementById("toaster");
  if (!toaster) return;
  toaster.querySelectorAll("[data-toast]").forEach(count);
  new MutationObserver((changes) => {
    for (const change of changes)
      for (const node of change.addedNodes) if (node instanceof Element && node.matches("[data-toast]")) count(node);
    rise(toaster);
  }).observe(toaster, { childList: true });
  for (const [event, holds] of [["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]])
    toaster.addEventListener(event, () => (isHeld = holds));
  document.addEventListener("close", () => rise(toaster), true);
  toaster.addEventListener("click", (event) => {
    const closing = event.target.closest("[data-toast-close]");
    if (closing) leave(closing.closest("[data-toast]"));
  });
}
