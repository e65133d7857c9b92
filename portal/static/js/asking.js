// What htmx asks the server for: failures that nobody else tells of, and where the focus goes.
import { say } from "./toasts.js";

const AWAY = "Konstruct could not be reached. Nothing was lost; try again.";
const SLOW = "Konstruct took too long to answer. See whether it was done before you try again.";
const BROKEN = "Something went wrong between here and Konstruct. Nothing on this page was changed; try again.";

let focused = null;

export function start() {
  document.addEventListener("htmx:error", (event) => {
    const { ctx, error } = event.detail;
    if (!ctx || ctx.response) return;
    say(error?.name === "AbortError" ? SLOW : AWAY);
  });
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    // The portal's own errors say themselves, as a toast, that nothing is to be put in a place; a proxy's do not.
    if (ctx?.response?.status >= 500 && ctx.hx?.reswap !== "none") {
      event.preventDefault();
      say(BROKEN);
      return;
    }
    focused = document.activeElement?.id || null;
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const summary = event.target.querySelector?.("[data-error-summary]") ?? document.querySelector("[data-error-summary]");
    if (summary && event.detail.ctx?.response?.status === 422) summary.focus();
    else if (document.activeElement === document.body && focused) document.getElementById(focused)?.focus();
    focused = null;
  });
}
