// Passkeys: a form with `data-passkey` asks the device, puts its answer into the field `answer`, and is sent as any form.
//
// `data-passkey` is `get` or `create`; `data-options` is where what to ask for is asked for; the element with
// `data-passkey-says` in the form tells what went wrong. With `data-conditional` the browser also offers passkeys in the
// fields of the page. Forms are hidden until it is known that the browser can.

const READERS = { get: "parseRequestOptionsFromJSON", create: "parseCreationOptionsFromJSON" };

const SENTENCES = {
  NotAllowedError: {
    get: "No passkey was used. It was called off, took too long, or there is none for this site here.",
    create: "No passkey was made. It was called off, or took too long.",
  },
  InvalidStateError: {
    get: "This passkey cannot be used here.",
    create: "There is a passkey for this account on this device already.",
  },
  NotSupportedError: {
    get: "This device cannot use passkeys of the kind that is needed.",
    create: "This device cannot make passkeys of the kind that is needed.",
  },
  ConstraintError: {
    get: "This device does not check who holds it. Set up a PIN, a fingerprint or a face on it first.",
    create: "This device does not check who holds it. Set up a PIN, a fingerprint or a face on it first.",
  },
  SecurityError: {
    get: "Passkeys work only at the portal's own address. Open it by the address that it was set up with.",
    create: "Passkeys work only at the portal's own address. Open it by the address that it was set up with.",
  },
};

/** What the server said, to be shown as it stands. */
class Refused extends Error {}

let waiting = null;

const canUse = (kind) => typeof PublicKeyCredential !== "undefined" && READERS[kind] in PublicKeyCredential;

function say(form, sentence) {
  const place = form.querySelector("[data-passkey-says]");
  place.textContent = sentence;
  place.hidden = !sentence;
}

function setBusy(form, isBusy) {
  for (const button of form.querySelectorAll("button")) {
    button.toggleAttribute("data-pressed", isBusy);
    if (isBusy) button.setAttribute("aria-busy", "true");
    else button.removeAttribute("aria-busy");
  }
}

async function askedFor(form) {
  let answer;
  try {
    answer = await fetch(form.dataset.options, { method: "POST", headers: { accept: "application/json" } });
  } catch {
    throw new Refused("The portal cannot be reached. Check the connection, and try again.");
  }
  if (answer.redirected) {
    // First to where one confirms who one is, and then back here.
    location.assign(answer.url);
    return new Promise(() => {});
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(said.error ?? "The portal could not begin this. Load the page again.");
  return said;
}

async function ask(form, kind, more = {}) {
  const options = await askedFor(form);
  waiting?.abort();
  waiting = new AbortController();
  const publicKey = PublicKeyCredential[READERS[kind]](options);
  return navigator.credentials[kind]({ publicKey, signal: waiting.signal, ...more });
}

function send(form, credential) {
  form.elements.answer.value = JSON.stringify(credential.toJSON());
  form.dataset.answered = "";
  form.requestSubmit();
}

function sentenceFor(error, kind) {
  if (error instanceof Refused) return error.message;
  return SENTENCES[error.name]?.[kind] ?? "The passkey did not work. Try again, or use another way.";
}

async function press(form) {
  const kind = form.dataset.passkey;
  say(form, "");
  setBusy(form, true);
  try {
    const credential = await ask(form, kind);
    setBusy(form, false);
    send(form, credential);
  } catch (error) {
    setBusy(form, false);
    // Given up for another attempt, which tells of itself.
    if (error.name !== "AbortError") say(form, sentenceFor(error, kind));
  }
}

async function offerInFields(form) {
  // Passkeys are for names: at a number there are none to offer, and whoever presses the button is told so.
  if (/^[\d.]+$|:/.test(location.hostname)) return;
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  try {
    send(form, await ask(form, "get", { mediation: "conditional" }));
  } catch {
    // Nobody asked for it, so nobody is told; the button is there.
  }
}

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!form.matches("form[data-passkey]") || "answered" in form.dataset) return;
    event.preventDefault();
    void press(form);
  },
  true,
);

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!canUse(form.dataset.passkey)) continue;
  form.hidden = false;
  if ("conditional" in form.dataset) void offerInFields(form);
}
for (const hint of document.querySelectorAll("[data-without-passkeys]")) {
  hint.hidden = canUse("get");
}
