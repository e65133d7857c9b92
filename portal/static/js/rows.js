// Rows of a form come and go by the server, without the page being loaded again. Without this, the buttons still work.
import { say } from "./toasts.js";

const AWAY = "Konstruct could not be reached. What you typed is still here; try again.";

const form = document.querySelector("form[data-rows]");

async function edit(value) {
  const known = new Set([...form.elements].map((each) => each.id));
  const focused = document.activeElement?.id;
  const body = new FormData(form);
  // A secret goes along when it is saved, and at no other time.
  body.delete("secret");
  body.set("edit", value);
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.dataset.rows, { method: "POST", body, headers: { Accept: "text/html" } });
    if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of form.querySelectorAll("[data-region]")) {
      const fresh = page.getElementById(region.id);
      if (fresh) region.replaceWith(document.adoptNode(fresh));
    }
    document.dispatchEvent(new CustomEvent("htmx:after:swap", { detail: {} }));
    const came = [...form.querySelectorAll("[data-region] :is(input, select, textarea)[id]")].find((each) => !known.has(each.id));
    (came ?? document.getElementById(focused) ?? form.querySelector("[data-region] button[data-edit]"))?.focus();
  } catch {
    say(AWAY);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

if (form) {
  document.addEventListener(
    "submit",
    (event) => {
      const button = event.submitter;
      if (event.target !== form || !button?.hasAttribute("data-edit")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      edit(button.value);
    },
    true,
  );
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-kind]")) edit("refresh");
  });
}
