// Saved replies in a field: after a slash at the beginning of a line, or by the button beside it, they are listed and
// chosen with the arrow keys and Enter, or with the mouse. What was typed stays until one is chosen.
//
//   <textarea data-saved-replies="/t/acme/saved-replies?conversation=…">
//   <button type="button" data-open-saved-replies>   in the same form
import { announce } from "./parts.js";

const TYPED = /(?:^|\n)\/([a-z0-9-]*)$/i;
/** What was changed elsewhere is seen this soon. */
const FRESH_FOR = 60_000;
const MOST_SHOWN = 50;

const fetched = new Map();

async function replies(url) {
  const known = fetched.get(url);
  if (known && Date.now() - known.at < FRESH_FOR) return known.told;
  const told = fetch(url, { headers: { Accept: "application/json" } }).then((response) => {
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  });
  fetched.set(url, { at: Date.now(), told });
  told.catch(() => fetched.delete(url));
  return told;
}

// -- The list -------------------------------------------------------------------------------------------------------

let field = null;
let list = null;
let offered = [];
let current = 0;
/** Where what is replaced begins; the caret is its end. */
let from = 0;
let byButton = false;
let asked = 0;

async function open(textarea, query, begin) {
  const mine = ++asked;
  let told;
  try {
    told = await replies(textarea.dataset.savedReplies);
  } catch {
    if (mine === asked && byButton) announce("The saved replies cannot be had just now.");
    return;
  }
  if (mine !== asked || document.activeElement !== textarea) return;
  const wanted = query.toLowerCase();
  const begins = told.replies.filter((each) => each.key.startsWith(wanted));
  const others = told.replies.filter(
    (each) => !each.key.startsWith(wanted) && `${each.key} ${each.title}`.toLowerCase().includes(wanted),
  );
  const found = [...begins, ...others].slice(0, MOST_SHOWN);
  if (!found.length && told.replies.length && !byButton) {
    close();
    return;
  }
  show(textarea, found, told, begin);
}

function show(textarea, found, told, begin) {
  if (field && field !== textarea) close();
  const isNew = !list;
  field = textarea;
  offered = found;
  from = begin;
  current = 0;
  list ??= document.createElement("div");
  list.className = "saved-replies";
  list.replaceChildren();
  if (found.length) {
    const box = document.createElement("ul");
    box.id = "saved-replies-list";
    box.setAttribute("role", "listbox");
    box.setAttribute("aria-label", "Saved replies");
    box.append(...found.map(option));
    list.append(box);
  } else {
    const nothing = document.createElement("p");
    nothing.className = "quiet";
    nothing.textContent = "There are no saved replies yet. ";
    list.append(nothing);
  }
  list.append(foot(told.all));
  if (isNew) textarea.closest("form").append(list);
  textarea.setAttribute("aria-controls", "saved-replies-list");
  textarea.setAttribute("aria-haspopup", "listbox");
  textarea.setAttribute("aria-autocomplete", "list");
  mark();
  if (isNew) announce(found.length ? `${found.length} saved replies. Choose with the arrow keys.` : "No saved replies.");
}

function option(reply, index) {
  const item = document.createElement("li");
  item.id = `saved-reply-${index}`;
  item.setAttribute("role", "option");
  item.dataset.index = String(index);
  const head = document.createElement("span");
  head.className = "saved-reply-head";
  const title = document.createElement("span");
  title.className = "strong truncate";
  title.textContent = reply.title;
  const key = document.createElement("code");
  key.textContent = `/${reply.key}`;
  head.append(title, key);
  const text = document.createElement("span");
  text.className = "saved-reply-text truncate";
  text.textContent = reply.text;
  item.append(head, text);
  return item;
}

function foot(address) {
  const line = document.createElement("p");
  line.className = "saved-replies-foot";
  const link = document.createElement("a");
  link.href = address;
  link.textContent = "Manage saved replies";
  line.append(link);
  return line;
}

function mark() {
  for (const each of list.querySelectorAll("[role=option]"))
    each.setAttribute("aria-selected", String(Number(each.dataset.index) === current));
  const chosen = list.querySelector(`#saved-reply-${current}`);
  if (chosen) field.setAttribute("aria-activedescendant", chosen.id);
  else field.removeAttribute("aria-activedescendant");
  chosen?.scrollIntoView({ block: "nearest" });
}

function close() {
  asked += 1;
  byButton = false;
  list?.remove();
  list = null;
  for (const name of ["aria-controls", "aria-activedescendant", "aria-haspopup", "aria-autocomplete"])
    field?.removeAttribute(name);
  field = null;
}

function choose(index) {
  const reply = offered[index];
  const textarea = field;
  if (!reply || !textarea) return;
  const end = textarea.selectionEnd;
  const begin = from;
  close();
  textarea.focus();
  textarea.setRangeText(reply.text, begin, end, "end");
  textarea.dispatchEvent(new Event("input", { bubbles: true }));
  announce(`${reply.title} is put in.`);
}

// -- Listening ------------------------------------------------------------------------------------------------------

document.addEventListener("input", (event) => {
  if (!event.target.matches?.("textarea[data-saved-replies]")) return;
  const textarea = event.target;
  const before = textarea.value.slice(0, textarea.selectionEnd);
  const typed = TYPED.exec(before);
  if (!typed || event.isComposing) {
    // What is still being fetched for an earlier letter is not to open any more.
    asked += 1;
    if (field === textarea) close();
    return;
  }
  byButton = false;
  open(textarea, typed[1], before.length - typed[1].length - 1);
});

// Before others that listen for these keys, while the list is open.
document.addEventListener(
  "keydown",
  (event) => {
    if (!list || event.target !== field || event.isComposing) return;
    const last = offered.length - 1;
    const moves = { ArrowDown: current < last ? current + 1 : 0, ArrowUp: current > 0 ? current - 1 : last };
    if (event.key in moves && offered.length) {
      current = moves[event.key];
      mark();
    } else if ((event.key === "Enter" || event.key === "Tab") && offered.length && !event.ctrlKey && !event.metaKey) {
      choose(current);
    } else if (event.key === "Escape") {
      close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);

document.addEventListener("mousedown", (event) => {
  // The field keeps the focus while something of the list is pressed.
  if (event.target.closest?.(".saved-replies [role=option], [data-open-saved-replies]")) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const item = event.target.closest?.(".saved-replies [role=option]");
  if (item) {
    choose(Number(item.dataset.index));
    return;
  }
  const button = event.target.closest?.("[data-open-saved-replies]");
  if (!button) {
    if (list && !event.target.closest?.(".saved-replies") && event.target !== field) close();
    return;
  }
  const isOpen = list !== null;
  if (isOpen) {
    close();
    return;
  }
  const textarea = button.closest("form").querySelector("textarea[data-saved-replies]");
  textarea.focus();
  byButton = true;
  open(textarea, "", textarea.selectionEnd);
});

document.addEventListener("focusout", (event) => {
  if (event.target === field && !list?.contains(event.relatedTarget)) close();
});
