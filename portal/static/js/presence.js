// Who else looks at a conversation, and who writes in it. This browser says so of its own as long as somebody sees it.

const EVERY = 15_000;
const WRITES_EVERY = 3_000;

const inbox = document.getElementById("inbox");
let there = null;
let present = {};
let wroteAt = 0;

const address = (id) => `${inbox.dataset.base}/${id}/presence`;

function tell(state) {
  const id = inbox.dataset.open;
  if (!id || document.hidden) return;
  there = id;
  fetch(address(id), {
    method: "POST",
    body: new URLSearchParams({ state }),
    headers: { "X-By-Itself": "1" },
    keepalive: true,
  }).catch(() => {
    // Nobody hears of it, and nothing is lost.
  });
}

function leave() {
  if (there) navigator.sendBeacon(address(there), new URLSearchParams({ state: "gone" }));
  there = null;
}

// -- Showing --------------------------------------------------------------------------------------------------------

const initial = (name) => (name.trim() || "?")[0].toUpperCase();

function avatar({ name, writing }) {
  const made = document.createElement("span");
  made.className = "avatar";
  made.dataset.size = "sm";
  made.title = writing ? `${name} is writing` : `${name} is viewing`;
  if (writing) made.dataset.writing = "";
  made.append(document.createElement("span"));
  made.firstChild.textContent = initial(name);
  made.setAttribute("aria-hidden", "true");
  return made;
}

function listed(names) {
  if (names.length < 3) return names.join(" and ");
  return `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
}

function sentence(people) {
  const of = (writes) => people.filter((each) => each.writing === writes).map((each) => each.name);
  const [writing, viewing] = [of(true), of(false)];
  const parts = [];
  if (writing.length) parts.push(`${listed(writing)} ${writing.length === 1 ? "is" : "are"} writing…`);
  if (viewing.length) parts.push(`${listed(viewing)} ${viewing.length === 1 ? "is" : "are"} viewing`);
  return parts.join(", ");
}

function fill(place, people, says) {
  const written = JSON.stringify(people);
  if (place.dataset.shows === written) return;
  place.dataset.shows = written;
  place.replaceChildren(...people.slice(0, 3).map(avatar));
  const text = document.createElement("span");
  text.className = says ? "presence-text" : "sr-only";
  text.textContent = sentence(people);
  if (people.length) place.append(text);
}

function show() {
  for (const place of document.querySelectorAll("[data-presence]"))
    fill(place, present[place.dataset.presence] ?? [], true);
  for (const place of document.querySelectorAll("[data-present-in]"))
    fill(place, present[place.dataset.presentIn] ?? [], false);
}

// -- Beginning ------------------------------------------------------------------------------------------------------

document.addEventListener("live:presence", (event) => {
  present = event.detail;
  show();
});
document.addEventListener("live:fresh", (event) => {
  show();
  if (event.detail.part === "conversation") tell("viewing");
});
document.addEventListener("inbox:leave", leave);
document.addEventListener("visibilitychange", () => (document.hidden ? leave() : tell("viewing")));
addEventListener("pagehide", leave);
document.addEventListener("input", (event) => {
  if (!event.target.matches?.("#inbox-conversation textarea") || Date.now() - wroteAt < WRITES_EVERY) return;
  wroteAt = Date.now();
  tell("writing");
});
tell("viewing");
setInterval(() => tell(Date.now() - wroteAt < WRITES_EVERY ? "writing" : "viewing"), EVERY);
