// Taking over what the server says anew of a part of a page: element by element, by their ids, so that what is open
// stays open, what is typed stays typed, and the focus stays where it was.
//
// Each child of the part has an id. One that says the same as before is left alone; another one is exchanged. One with
// `data-merge` keeps its place, and its own children are taken over in the same way; one with `data-keep` is never
// touched as long as one of its id comes.

/** What the server last said of each element, by its id. */
const known = new Map();

/** What an element says, without what the browser made of it. */
function said(element) {
  const copy = element.cloneNode(true);
  for (const time of copy.querySelectorAll("time[data-time]")) {
    time.textContent = "";
    time.removeAttribute("title");
  }
  return copy.outerHTML;
}

/** Notes what the children of `place` say, as the page came with them. */
export function remember(place) {
  for (const each of place.children) {
    if (each.id) known.set(each.id, said(each));
    if (each.hasAttribute("data-merge")) remember(each);
  }
}

/**
 * The children of `place` become those of `wanted`. Answers whether all of it could be taken over: what holds an open
 * dialog or menu, or a word that somebody is composing, is left for later.
 */
export function merge(place, wanted) {
  const active = place.contains(document.activeElement) ? document.activeElement : null;
  const held = active?.closest("[id]")?.id;
  const selection = active && isText(active) ? [active.selectionStart, active.selectionEnd] : null;
  const isWhole = takeOver(place, wanted);
  if (held && !place.contains(document.activeElement)) refocus(held, selection);
  return isWhole;
}

function takeOver(place, wanted) {
  const incoming = [...wanted.children];
  const ids = new Set(incoming.map((each) => each.id));
  let isWhole = true;
  for (const old of [...place.children]) {
    if (old.id && ids.has(old.id)) continue;
    if (isBusy(old)) isWhole = false;
    else old.remove();
  }
  let before = null;
  for (const each of incoming) {
    const here = each.id ? place.querySelector(`:scope > [id="${CSS.escape(each.id)}"]`) : null;
    const says = said(each);
    let now = here;
    if (!here) now = each;
    else if (each.hasAttribute("data-keep") || known.get(each.id) === says) now = here;
    else if (each.hasAttribute("data-merge")) {
      for (const { name, value } of each.attributes) here.setAttribute(name, value);
      if (!takeOver(here, each)) isWhole = false;
    } else if (isBusy(here)) {
      isWhole = false;
      before = here;
      continue;
    } else now = exchange(here, each);
    const after = before ? before.nextSibling : place.firstChild;
    if (now !== after) place.insertBefore(now, after);
    if (now.id) known.set(now.id, says);
    if (!here && now.hasAttribute("data-merge")) remember(now);
    before = now;
  }
  return isWhole;
}

function isBusy(element) {
  return element.querySelector("dialog[open], :popover-open, [data-composing]") !== null;
}

function isText(element) {
  return element.matches("textarea, input:not([type=checkbox], [type=radio], [type=file])");
}

function exchange(old, fresh) {
  for (const details of fresh.querySelectorAll("details[id]")) {
    const before = old.querySelector(`details[id="${CSS.escape(details.id)}"]`);
    if (before) details.open = before.open;
  }
  for (const field of old.querySelectorAll(":is(textarea, input)[id]")) {
    if (!isText(field) || field.type === "hidden" || field.value === field.defaultValue) continue;
    const now = fresh.querySelector(`[id="${CSS.escape(field.id)}"]`);
    if (now) now.value = field.value;
  }
  const scrolled = [old, ...old.querySelectorAll("[id]")].filter((each) => each.id && each.scrollTop);
  const places = scrolled.map((each) => [each.id, each.scrollTop]);
  old.replaceWith(fresh);
  for (const [id, top] of places) {
    const now = document.getElementById(id);
    if (now) now.scrollTop = top;
  }
  return fresh;
}

function refocus(id, selection) {
  const again = document.getElementById(id);
  const target = again?.matches("details") ? again.querySelector("summary") : again;
  target?.focus({ preventScroll: true });
  if (selection && target && isText(target)) target.setSelectionRange(...selection);
}

document.addEventListener("compositionstart", (event) => event.target.toggleAttribute?.("data-composing", true));
document.addEventListener("compositionend", (event) => event.target.removeAttribute?.("data-composing"));
