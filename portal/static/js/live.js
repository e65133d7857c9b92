// Parts of a page that are never old. The server says by a stream that something is new, not what it is; the part is
// then fetched, and merged by ids. So nothing is doubled, and after a pause one look brings all that was missed.
//
//   <main data-live-stream="/t/acme/inbox/stream?…">             whom to listen to
//   <div id="…" data-live="list" data-live-url="…" data-live-digest="…">   what to fetch when `list` is new
//
// The answer of `data-live-url` holds an element of the same id, whose children are taken over by js/merging.js. After
// that the document gets the event `live:fresh` with `detail.part`. Whoever changes something calls `refresh(part)`.
import { merge, remember } from "./merging.js";

const QUIET_FOR = 40_000;
/** Without a stream that can be had, one looks so often. */
const LOOK_EVERY = 10_000;
const LEAST_BETWEEN = 700;
const LONGEST_WAIT = 30_000;
/** A server that is started anew is back by then; nobody needs to hear of it. */
const FORGIVEN = 4_000;
// A browser lets six requests to a host through at a time, and a stream is one for as long as it lasts: with a stream in
// every tab, no page could be had any more. So few tabs listen, each with a lock; of those that nobody sees, one.
const SEEN = ["konstruct-live:0", "konstruct-live:1", "konstruct-live:2"];
const UNSEEN = ["konstruct-live:unseen"];
const PATIENCE = 500;

let source = null;
/** The place that is held or waited for among those who listen. */
let turn = null;
/** By which tabs that listen tell those that do not. */
const others = "BroadcastChannel" in window ? new BroadcastChannel("konstruct-live") : null;
let heardOfList = "";
let address = "";
let heardAt = Date.now();
let failures = 0;
let troubledSince = 0;
let retry = null;
const waiting = new Map();
const left = new Set();

// -- Fetching -------------------------------------------------------------------------------------------------------

const regions = (part) => [...document.querySelectorAll(`[data-live="${part}"][data-live-url]`)];

/** Fetches a part and takes it over. What is asked for meanwhile is fetched once more after that. */
export function refresh(part) {
  const known = waiting.get(part);
  if (known) {
    known.isAgain = true;
    return known.done;
  }
  const asked = { isAgain: false, done: null };
  asked.done = (async () => {
    const began = Date.now();
    try {
      const urls = new Set(regions(part).map((each) => each.dataset.liveUrl));
      for (const url of urls) await fetched(part, url);
      if (!source && urls.size) settled();
      document.dispatchEvent(new CustomEvent("live:fresh", { detail: { part } }));
    } catch (error) {
      // Away for a moment: the stream tells when it is back, or the next look does.
      left.add(part);
      if (!source && !(Number(error.message) < 500)) troubledSince ||= Date.now();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, LEAST_BETWEEN - (Date.now() - began))));
    waiting.delete(part);
    if (asked.isAgain) refresh(part);
  })();
  waiting.set(part, asked);
  return asked.done;
}

async function fetched(part, url) {
  const response = await fetch(url, { headers: { "HX-Request": "true", "HX-Request-Type": "partial", "X-By-Itself": "1" } });
  const elsewhere = response.headers.get("hx-redirect");
  if (elsewhere) location.href = elsewhere;
  if (elsewhere || response.status === 204) return;
  if (!response.ok) throw new Error(String(response.status));
  const fresh = document.createElement("template");
  fresh.innerHTML = await response.text();
  for (const region of regions(part)) {
    // What was asked for another conversation, or with other filters, is nobody's any more.
    if (region.dataset.liveUrl !== url) continue;
    const wanted = fresh.content.querySelector(`[id="${CSS.escape(region.id)}"]`);
    if (!wanted) continue;
    if (merge(region, wanted)) {
      left.delete(part);
      region.dataset.liveDigest = wanted.dataset.liveDigest ?? "";
    } else left.add(part);
  }
}

function isNew(part, digest) {
  return regions(part).some((region) => region.dataset.liveDigest !== digest);
}

// -- Listening ------------------------------------------------------------------------------------------------------

/** Listens to another stream, or anew. */
export function follow(url) {
  address = url;
  queue();
  connect();
}

const mayListen = () => !navigator.locks || (turn !== null && turn.isHeld);

/** Waits for a place among those who listen, as a tab that is seen or as one that is not. */
function queue() {
  const names = document.hidden ? UNSEEN : SEEN;
  if (!navigator.locks || turn?.names === names) return;
  turn?.end();
  close();
  troubledSince = 0;
  const rest = new AbortController();
  let release;
  const isOver = new Promise((resolve) => (release = resolve));
  const mine = { names, isHeld: false, end: () => (rest.abort(), release()) };
  turn = mine;
  const held = () => {
    if (mine.isHeld || turn !== mine) return undefined;
    mine.isHeld = true;
    rest.abort();
    connect();
    return isOver;
  };
  for (const name of names)
    navigator.locks.request(name, { signal: rest.signal }, held).catch(() => {
      // Another place was to be had, or none is wanted any more.
    });
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

/** What a tab that listens heard of the list: how many wait is the same whatever else is shown. */
function hear({ stream, told }) {
  if (source || stream !== place(address)) return;
  document.dispatchEvent(new CustomEvent("live:told", { detail: { part: "list", ...told } }));
  if (document.hidden || told.digest === heardOfList) return;
  heardOfList = told.digest;
  lookAtAll();
}

const place = (url) => url && new URL(url, location.href).pathname;

function lookAtAll() {
  for (const part of ["list", "conversation"]) refresh(part);
}

function connect() {
  close();
  if (!address || !mayListen() || !("EventSource" in window)) return;
  heardAt = Date.now();
  const opened = new EventSource(address);
  source = opened;
  const heard = (name, handle) =>
    opened.addEventListener(name, (event) => {
      heardAt = Date.now();
      failures = 0;
      handle(event);
    });
  for (const part of ["list", "conversation"])
    heard(part, (event) => {
      settled();
      const told = JSON.parse(event.data);
      document.dispatchEvent(new CustomEvent("live:told", { detail: { part, ...told } }));
      if (part === "list") others?.postMessage({ stream: place(address), told });
      if (isNew(part, told.digest)) refresh(part);
    });
  heard("presence", (event) =>
    document.dispatchEvent(new CustomEvent("live:presence", { detail: JSON.parse(event.data) })),
  );
  heard("ping", () => {});
  heard("away", (event) => complain(JSON.parse(event.data).sentence));
  heard("end", () => {
    // The server says that this is over: it stops, or one is not let in any more. The next look finds out.
    opened.close();
    again();
  });
  opened.onerror = () => {
    troubledSince ||= Date.now();
    if (opened.readyState === EventSource.CLOSED) again();
  };
}

/** Later, and later each time; with some chance in it, so that not all come at once to a server that is back. */
function again() {
  source = null;
  failures += 1;
  troubledSince ||= Date.now();
  const wait = Math.min(LONGEST_WAIT, 500 * 2 ** Math.min(failures, 6));
  clearTimeout(retry);
  retry = setTimeout(connect, wait / 2 + (Math.random() * wait) / 2);
}

// -- Saying how it stands -------------------------------------------------------------------------------------------

function complain(sentence) {
  const banner = document.getElementById("live-trouble");
  if (!banner) return;
  banner.querySelector("p").textContent = sentence;
  banner.hidden = false;
}

function settled() {
  troubledSince = 0;
  const banner = document.getElementById("live-trouble");
  if (banner) banner.hidden = true;
}

function look() {
  if (source && Date.now() - heardAt > QUIET_FOR) {
    source.close();
    again();
  }
  if (troubledSince && Date.now() - troubledSince > FORGIVEN)
    complain("The portal does not answer. What you see may be old; it is tried again by itself.");
}

// -- Beginning ------------------------------------------------------------------------------------------------------

/** Shown or hidden, a tab waits in another queue; where no place is to be had, one look brings what was missed. */
function turned() {
  queue();
  setTimeout(() => {
    if (!source && !document.hidden) lookAtAll();
  }, PATIENCE);
}

function start() {
  const listener = document.querySelector("[data-live-stream]");
  if (!listener) return;
  for (const region of document.querySelectorAll("[data-live]")) remember(region);
  follow(listener.dataset.liveStream);
  setInterval(look, 1_000);
  setInterval(() => {
    if (!source && !document.hidden) lookAtAll();
  }, LOOK_EVERY);
  document.addEventListener("visibilitychange", turned);
  others?.addEventListener("message", (event) => hear(event.data));
  // What was left alone because something in it was open can be taken over now.
  for (const event of ["close", "toggle", "compositionend"])
    document.addEventListener(event, () => setTimeout(() => [...left].forEach(refresh)), true);
  document.addEventListener("live:look", (event) => refresh(event.detail.part));
}

start();
