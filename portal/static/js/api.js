// The reference of the API: routes are found as one types, and a link to one opens it. Usual choices tick their scopes.
import { announce } from "./parts.js";

const search = document.querySelector("[data-api-search]");

/** What the server does with `q`, without asking it. */
function narrow() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const section of document.querySelectorAll("[data-api-section]")) {
    let shown = 0;
    for (const row of section.querySelectorAll("[data-words]")) {
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    section.hidden = shown === 0;
    count += shown;
  }
  document.querySelector("[data-api-none]").hidden = count > 0;
  const address = new URL(location.href);
  if (search.value) address.searchParams.set("q", search.value);
  else address.searchParams.delete("q");
  history.replaceState(history.state, "", address);
  announce(count === 1 ? "1 route" : `${count} routes`);
}

if (search?.hasAttribute("data-api-whole")) {
  search.addEventListener("input", narrow);
  search.form.addEventListener("submit", (event) => event.preventDefault());
}

function open() {
  const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  const operation = target?.closest("details");
  if (!operation) return;
  operation.open = true;
  operation.scrollIntoView();
}
addEventListener("hashchange", open);
open();

// Before the guard of what is not saved sees it: nobody leaves.
document.addEventListener("click", choose, true);

function choose(event) {
  const preset = event.target.closest?.("[data-preset]");
  if (!preset) return;
  event.preventDefault();
  const wanted = preset.dataset.preset.split(" ");
  for (const box of document.querySelectorAll('input[name="scope"]')) {
    box.checked = wanted.includes(box.value);
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }
  announce(`${wanted.length} chosen`);
}
