// The open conversation of the inbox: what is written is kept until it is sent, acts are done without leaving the page,
// and who reads along stays where they read.
import { upload } from "./attach.js";
import { isSaved } from "./forms.js";
import { announce } from "./parts.js";
import { say } from "./toasts.js";

const SILENT = "The portal does not answer. What you wrote is still here: try again in a moment.";
const NEAR = 80;

const region = () => document.getElementById("inbox-conversation");
const log = () => document.getElementById("conversation-log");
const composer = () => document.querySelector("[data-composer]");
const conversation = () => composer()?.dataset.conversation ?? "";

/** Has js/live.js fetch a part anew; it says so by itself when it has. */
function refresh(part) {
  document.dispatchEvent(new CustomEvent("live:look", { detail: { part } }));
}

/** The conversation that was settled last, and whether its end is what is looked at. */
let opened = "";
let isAtEnd = true;
let lastSeq = 0;

// -- What is written is kept ----------------------------------------------------------------------------------------

const storage = {
  get: (key) => {
    try {
      return sessionStorage.getItem(key) ?? "";
    } catch {
      return "";
    }
  },
  set: (key, value) => {
    try {
      if (value) sessionStorage.setItem(key, value);
      else sessionStorage.removeItem(key);
    } catch {
      // Where nothing may be kept, the field itself is all there is.
    }
  },
};

const keyOf = (kind, of = conversation()) => `inbox:${of}:${kind}`;
/** Under which name it was sent, as long as nobody knows whether it got there: also when the page is loaded anew. */
const nameOf = (kind, of) => `${keyOf(kind, of)}:name`;
const forms = () => [...document.querySelectorAll("[data-composer] form[data-writes]")];

function restore() {
  for (const form of forms()) {
    const kept = storage.get(keyOf(form.dataset.writes));
    const text = form.elements.text;
    if (kept && !text.value) text.value = kept;
    const under = storage.get(nameOf(form.dataset.writes));
    if (under) form.elements.message.value = under;
    name(form);
    grow(text);
  }
  // What was to be a reply, where none can be written now, is not lost.
  const place = document.querySelector("[data-kept]");
  const canReply = forms().some((form) => form.dataset.writes === "reply");
  const kept = storage.get(keyOf("reply"));
  if (!place) return;
  const isNew = place.hidden && kept && !canReply;
  place.hidden = canReply || !kept;
  place.querySelector("textarea").value = kept;
  if (isNew) announce(`Not sent: ${place.querySelector("[data-kept-why]").textContent}`);
}

/** Another name for what is sent next: sent twice under one name, it counts once. */
function name(form, isAnew = false) {
  const field = form.elements.message;
  if (field && (isAnew || !field.value)) field.value = crypto.randomUUID();
}

function grow(text) {
  const lines = text.value.split("\n").reduce((sum, line) => sum + 1 + Math.floor(line.length / 80), 0);
  text.rows = Math.min(12, Math.max(3, lines));
}

function write(text, value) {
  text.value = text.value.trim() ? `${text.value.trimEnd()}\n\n${value}` : value;
  text.dispatchEvent(new Event("input", { bubbles: true }));
  show("composer-reply");
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
}

function show(id) {
  const tab = document.getElementById(`${id}-tab`);
  if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (event.target.name !== "text" || !form?.dataset.writes) return;
  storage.set(keyOf(form.dataset.writes), event.target.value);
  grow(event.target);
});

// -- Acting ---------------------------------------------------------------------------------------------------------

function done(form) {
  // As js/forms.js hears of every request that is over: the button can be pressed again.
  form.dispatchEvent(new Event("htmx:finally:request", { bubbles: true }));
}

async function act(form, submitter) {
  const writes = form.dataset.writes;
  const of = conversation();
  name(form);
  if (writes) storage.set(nameOf(writes, of), form.elements.message.value);
  // Fields of the form, files among them; and the button's own, where it has one.
  const body = new FormData(form, submitter);
  const isMultipart = form.enctype === "multipart/form-data";
  try {
    const response = await upload(form, isMultipart ? body : new URLSearchParams(body), {
      "HX-Request": "true",
      "HX-Request-Type": "partial",
      "HX-Current-URL": location.href,
    });
    const elsewhere = response.headers.get("hx-redirect");
    if (elsewhere) {
      location.href = elsewhere;
      return;
    }
    const html = response.status === 204 ? "" : await response.text();
    if (response.ok) {
      form.closest("dialog")?.close();
      sent(form, of, writes);
    } else if (response.status === 409) {
      // Nothing of it was taken, though another version may have been before: sent again, it is something new.
      if (writes) storage.set(nameOf(writes, of), "");
      name(form, true);
    }
    tell(html, response.ok);
  } catch {
    say(SILENT, "error");
  } finally {
    done(form);
    refresh("conversation");
    refresh("list");
  }
}

function sent(form, of, writes) {
  if (!writes) {
    name(form, true);
    return;
  }
  storage.set(keyOf(writes, of), "");
  storage.set(nameOf(writes, of), "");
  if (!form.isConnected) return;
  form.reset();
  form.elements.text.value = "";
  name(form, true);
  grow(form.elements.text);
  isSaved(form);
  form.dispatchEvent(new CustomEvent("composer:sent", { bubbles: true }));
  if (writes === "reply" || form.contains(document.activeElement)) form.elements.text.focus();
  isAtEnd = true;
}

/** Shows what the server says of it, as a short message. */
function tell(html, isOk) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const toast = fresh.content.querySelector("[data-toast]") ?? inner(fresh.content);
  if (!toast) {
    if (!isOk) say("That did not work. Look, and try again.", "error");
    return;
  }
  say(toast.querySelector("[data-toast-text]").textContent, toast.dataset.kind);
}

/** Parts for htmx are templates of their own in some browsers. */
function inner(content) {
  for (const each of content.querySelectorAll("template")) {
    const toast = each.content.querySelector("[data-toast]");
    if (toast) return toast;
  }
  return null;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.hasAttribute("data-act") || event.defaultPrevented) return;
  event.preventDefault();
  act(form, event.submitter);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  const form = event.target.form;
  if (!form?.dataset.writes) return;
  event.preventDefault();
  const button = form.querySelector("[data-send]");
  if (!button.disabled) form.requestSubmit(button);
});

document.addEventListener("click", (event) => {
  const target = event.target.closest?.("a, button, summary");
  if (!target) return;
  const reply = document.getElementById("reply-text");
  if (target.matches("[data-use-draft], [data-use-suggestion]") && reply) {
    event.preventDefault();
    const from = target.matches("[data-use-draft]") ? "[data-draft-text]" : "[data-suggestion]";
    write(reply, document.querySelector(from).textContent.trim());
    if (target.matches("[data-use-draft]")) discard(target);
  } else if (target.matches("[data-discard-draft]")) {
    discard(target);
    reply?.focus();
  } else if (target.matches("[data-kept-copy]")) {
    navigator.clipboard
      .writeText(document.getElementById("kept-text").value)
      .then(() => say("Copied.", "success"))
      .catch(() => say("It could not be copied. Mark it and copy it by hand.", "warning"));
  } else if (target.matches("[data-kept-drop]")) {
    storage.set(keyOf("reply"), "");
    restore();
  } else if (target.matches("[data-earlier]")) {
    event.preventDefault();
    earlier(Number(target.dataset.earlier));
  } else if (target.matches("[data-to-end]")) {
    toEnd();
  } else if (target.id === "composer-reply-tab" || target.id === "composer-notes-tab") {
    document.getElementById(target.id === "composer-reply-tab" ? "reply-text" : "note-text")?.focus();
  }
});

// A note that is opened is to be written in.
document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches?.(".composer-note[open]")) document.getElementById("note-text")?.focus();
  },
  true,
);

function discard(target) {
  const draft = target.closest("[data-draft]");
  storage.set(`inbox:draft:${draft.dataset.draft}`, "gone");
  draft.parentElement.hidden = true;
}

// -- Reading --------------------------------------------------------------------------------------------------------

const seqs = () => [...document.querySelectorAll("#conversation-log [data-seq]")];

/** Has what is fetched begin where it begins now: what was read a moment ago is not to vanish at the top. */
function pin(from) {
  const first = log()?.dataset.from;
  if (!first && from === undefined) return;
  for (const each of document.querySelectorAll('[data-live="conversation"][data-live-url]')) {
    const url = new URL(each.dataset.liveUrl, location.href);
    url.searchParams.set("from", String(from ?? first));
    each.dataset.liveUrl = url.pathname + url.search;
  }
}

function earlier(from) {
  const place = log();
  const first = place.dataset.from;
  const fromEnd = place.scrollHeight - place.scrollTop;
  isAtEnd = false;
  pin(from);
  document.addEventListener("live:fresh", function stay() {
    const now = log();
    if (now && now.dataset.from === first) return;
    document.removeEventListener("live:fresh", stay);
    if (now) now.scrollTop = now.scrollHeight - fromEnd;
  });
  refresh("conversation");
}

function toEnd() {
  const place = log();
  if (!place) return;
  place.scrollTop = place.scrollHeight;
  isAtEnd = true;
  below(false);
}

function below(isNew) {
  const button = document.querySelector("[data-to-end]");
  if (button) button.hidden = !isNew;
}

document.addEventListener(
  "scroll",
  (event) => {
    if (event.target !== log()) return;
    isAtEnd = event.target.scrollHeight - event.target.scrollTop - event.target.clientHeight < NEAR;
    if (isAtEnd) below(false);
  },
  true,
);

// -- Beginning, and after each look ---------------------------------------------------------------------------------

function settle() {
  const of = conversation();
  if (!region() || !of) {
    opened = "";
    return;
  }
  const latest = Number(seqs().at(-1)?.dataset.seq ?? 0);
  restore();
  for (const draft of document.querySelectorAll("[data-draft]"))
    if (storage.get(`inbox:draft:${draft.dataset.draft}`)) draft.parentElement.hidden = true;
  if (of !== opened) {
    opened = of;
    pin();
    document.querySelector(".composer-refused")?.focus();
    toEnd();
  } else if (isAtEnd) {
    toEnd();
  } else if (latest > lastSeq) below(true);
  lastSeq = latest;
}

document.addEventListener("live:fresh", (event) => {
  if (event.detail.part === "conversation") settle();
});
document.addEventListener("htmx:after:swap", settle);
settle();
