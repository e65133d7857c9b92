// How somebody is told that something new waits for a person, or for them: in the tab's title, by a sound, or by the
// browser, as they chose. What is there when the page opens is old; what came while nothing could be heard is new.

const KEY = "inbox-alerts";
const TOLD = "inbox-told";
const BY_DEFAULT = { title: true, sound: false, notice: false };

const plainTitle = document.title;
const panel = document.querySelector("[data-alerts]");
const inbox = document.getElementById("inbox");
const icon = document.querySelector("link[rel=icon]")?.href;

let chosen = read();
let known = null;
let waiting = 0;
let audio = null;

function read() {
  try {
    return { ...BY_DEFAULT, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...BY_DEFAULT };
  }
}

function keep() {
  try {
    localStorage.setItem(KEY, JSON.stringify(chosen));
  } catch {
    // Where nothing may be kept, it holds for this page alone.
  }
}

// -- What is new ----------------------------------------------------------------------------------------------------

/** What calls for somebody now and did not before; the most pressing of it. */
function news(now) {
  if (!known) return null;
  const mine = Object.entries(now.mine);
  const given = mine.find(([id, [, isGiven]]) => isGiven && !(known.mine[id]?.[1] ?? false));
  if (given) return { text: "A colleague gave you a conversation", id: given[0], stamp: given[0] + given[1][0] };
  const said = mine.find(([id, [at]]) => id in known.mine && at !== known.mine[id][0]);
  if (said) return { text: "There is an answer in a conversation of yours", id: said[0], stamp: said[0] + said[1][0] };
  if (now.newest && now.newest > (known.newest ?? ""))
    return { text: "Somebody waits for a person", id: null, stamp: now.newest };
  return null;
}

/** Of several tabs, one tells. */
async function isFirst(stamp) {
  const look = () => {
    try {
      if (localStorage.getItem(TOLD) === stamp) return false;
      localStorage.setItem(TOLD, stamp);
    } catch {
      // Then each tells.
    }
    return true;
  };
  return navigator.locks ? navigator.locks.request(TOLD, look) : look();
}

async function heard(now) {
  const told = news(now);
  known = { newest: now.newest && now.newest > (known?.newest ?? "") ? now.newest : known?.newest ?? null, mine: now.mine };
  waiting = now.waiting;
  draw();
  if (!told) return;
  // Whoever has it before their eyes sees it.
  if (told.id && told.id === inbox.dataset.open && document.hasFocus()) return;
  if (!(await isFirst(told.stamp))) return;
  inbox.dataset.told = told.text;
  if (chosen.sound) ring();
  if (chosen.notice) notify(told.text, told.id);
}

// -- Telling --------------------------------------------------------------------------------------------------------

function draw() {
  document.title = chosen.title && waiting ? `(${waiting}) ${plainTitle}` : plainTitle;
  for (const badge of document.querySelectorAll('[data-badge="inbox"]')) {
    badge.hidden = !waiting;
    badge.querySelector("[data-number]").textContent = waiting > 999 ? "999+" : String(waiting);
  }
}

function ring() {
  try {
    audio ??= new AudioContext();
    audio.resume();
    const at = audio.currentTime + 0.02;
    for (const [place, pitch] of [[0, 660], [0.14, 880]]) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, at + place);
      volume.gain.linearRampToValueAtTime(0.12, at + place + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, at + place + 0.3);
      tone.connect(volume).connect(audio.destination);
      tone.start(at + place);
      tone.stop(at + place + 0.32);
    }
  } catch {
    // A browser that plays nothing.
  }
}

function notify(text, id) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    // No word of a contact: it may be shown on a locked screen.
    const shown = new Notification(text, { body: "In Konstruct's inbox.", tag: "konstruct-inbox", renotify: true, icon });
    shown.onclick = () => {
      window.focus();
      shown.close();
      if (id) location.href = `${inbox.dataset.base}/${id}`;
    };
  } catch {
    // On telephones, pages may show none.
  }
}

// -- Choosing -------------------------------------------------------------------------------------------------------

function complain(sentence) {
  const place = document.getElementById("inbox-alerts-problem");
  place.textContent = sentence;
  place.hidden = !sentence;
}

async function choose(field) {
  const name = field.dataset.alert;
  complain("");
  if (name === "notice" && field.checked) {
    const answer = "Notification" in window ? await Notification.requestPermission() : "denied";
    if (answer !== "granted") {
      field.checked = false;
      complain("Your browser shows no notifications of this page. Allow them in its settings for this site, and try again.");
    }
  }
  chosen[name] = field.checked;
  keep();
  draw();
}

function tryIt() {
  complain(chosen.sound || chosen.notice ? "" : "Choose a sound or a notification first.");
  if (chosen.sound) ring();
  if (chosen.notice) notify("Somebody waits for a person", null);
}

panel?.addEventListener("change", (event) => {
  if (event.target.dataset.alert) choose(event.target);
});
panel?.addEventListener("click", (event) => {
  if (event.target.closest("[data-try-alert]")) tryIt();
});
for (const field of panel?.querySelectorAll("[data-alert]") ?? []) field.checked = chosen[field.dataset.alert];
// Another tab of the same browser chose otherwise.
addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  chosen = read();
  for (const field of panel?.querySelectorAll("[data-alert]") ?? []) field.checked = chosen[field.dataset.alert];
  draw();
});
document.addEventListener("live:told", (event) => {
  if (event.detail.part === "list") heard(event.detail);
});
