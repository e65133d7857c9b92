// The inbox: a conversation opens beside the list without a new page, and all of it works by the keyboard.
import { follow, refresh } from "./live.js";
import { remember } from "./merging.js";
import { announce, isTyping } from "./parts.js";
import "./alerts.js";
import "./presence.js";

const inbox = document.getElementById("inbox");
let opening = null;

// -- Opening --------------------------------------------------------------------------------------------------------

/** Puts what is at this address, one of the inbox's own, into the panes. */
async function open(href, { isNew = true } = {}) {
  opening?.abort();
  const asking = new AbortController();
  opening = asking;
  const address = new URL(href, location.href);
  const asked = new URL(address);
  asked.searchParams.set("part", "panes");
  const pane = document.getElementById("inbox-conversation");
  pane.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(asked, {
      headers: { "HX-Request": "true", "HX-Request-Type": "partial" },
      signal: asking.signal,
    });
    if (!response.ok || response.headers.get("hx-redirect")) throw new Error(String(response.status));
    const fresh = document.createElement("template");
    fresh.innerHTML = await response.text();
    if (asking.signal.aborted) return;
    show(address, fresh.content, isNew);
  } catch {
    if (!asking.signal.aborted) location.href = address.href;
  }
}

function show(address, content, isNew) {
  for (const id of ["inbox-conversation", "inbox-packet"]) {
    const now = content.getElementById(id);
    document.getElementById(id).replaceWith(now);
    remember(now);
  }
  const id = address.pathname.slice(inbox.dataset.base.length + 1);
  document.dispatchEvent(new CustomEvent("inbox:leave"));
  inbox.toggleAttribute("data-open", Boolean(id));
  if (id) inbox.dataset.open = id;
  inbox.toggleAttribute("data-packet", address.searchParams.get("panel") === "packet");
  if (isNew) history.pushState({}, "", address.href);
  mark(id);
  // What leads elsewhere from here keeps the conversation open.
  const list = document.getElementById("inbox-list");
  const asked = new URL(address);
  asked.searchParams.set("part", "list");
  asked.searchParams.delete("panel");
  list.dataset.liveUrl = asked.pathname + asked.search;
  for (const form of inbox.querySelectorAll(".inbox-side form[method=get]")) form.action = address.pathname;
  const conversation = id ? `&conversation=${id}` : "";
  inbox.dataset.liveStream = `${inbox.dataset.base}/stream?view=${inbox.dataset.view}${conversation}`;
  follow(inbox.dataset.liveStream);
  refresh("list");
  document.dispatchEvent(new CustomEvent("live:fresh", { detail: { part: "conversation", isOpened: true } }));
  const pane = document.getElementById("inbox-conversation");
  announce(id ? "The conversation is open." : "No conversation is open.");
  if (!isShown(document.activeElement)) pane.focus({ preventScroll: true });
}

function mark(id) {
  for (const row of inbox.querySelectorAll(".inbox-rows > li")) {
    const link = row.querySelector("a");
    if (row.dataset.conversation === id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

const isShown = (element) => element && element !== document.body && element.checkVisibility();

function isPlain(event) {
  const isHeld = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  return !event.defaultPrevented && event.button === 0 && !isHeld;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.inbox-row, a[data-opens-panes]");
  if (!link || !isPlain(event)) return;
  event.preventDefault();
  open(link.href);
});
document.addEventListener("click", (event) => {
  // The same conversation, and another pane of it: nothing has to be fetched.
  const link = event.target.closest?.("a[data-shows-packet]");
  if (!link || !isPlain(event)) return;
  event.preventDefault();
  const shows = link.dataset.showsPacket === "yes";
  inbox.toggleAttribute("data-packet", shows);
  document.getElementById(shows ? "inbox-packet" : "inbox-conversation").focus({ preventScroll: true });
});
addEventListener("popstate", () => open(location.href, { isNew: false }));

// -- Keys -----------------------------------------------------------------------------------------------------------

function move(step) {
  const rows = [...inbox.querySelectorAll("a.inbox-row")].filter(isShown);
  const at = rows.findIndex((row) => row === document.activeElement);
  const from = at >= 0 ? at : rows.findIndex((row) => row.hasAttribute("aria-current"));
  const next = rows[from < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, from + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const wanted = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find(
    (each) => isShown(each) && !each.disabled,
  );
  if (!wanted) return false;
  if (wanted.matches("input, textarea, select")) {
    wanted.focus();
    wanted.select?.();
  } else wanted.click();
  return true;
}

document.addEventListener("keydown", (event) => {
  const isOther = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented;
  if (isOther || isTyping(event.target) || document.querySelector("dialog:modal")) return;
  if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
  else if (event.key.length !== 1 || !press(event.key)) return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  // Out of the search, back into the list.
  if (event.key === "Escape" && event.target.id === "inbox-search" && !event.target.value) event.target.blur();
});
