// Files that go out with a reply: chosen, dropped on its form or pasted into it, listed with their sizes, and taken out
// again. The field itself holds them, so that the form sends them as any other.
//
//   <form enctype="multipart/form-data">
//     <label for="reply-files" data-attach-button>…</label>
//     <div data-attach data-most="10" data-most-bytes="25000000">   pages/inbox/attach.html
//
// `composer:sent` on the form empties it. `upload(form, body, headers)` sends a form and shows how far it is.
import { announce, onNew } from "./parts.js";

const place = (form) => form?.querySelector("[data-attach]");
const field = (form) => place(form)?.querySelector("input[type=file]");
const chosen = (form) => [...(field(form)?.files ?? [])];

// -- Choosing -------------------------------------------------------------------------------------------------------

/** Puts exactly these into the field, and shows them. */
function hold(form, files) {
  const kept = new DataTransfer();
  for (const file of files) kept.items.add(file);
  field(form).files = kept.files;
  show(form);
}

function add(form, more) {
  const files = chosen(form);
  const known = new Set(files.map(signature));
  const fresh = [...more].filter((file) => !known.has(signature(file)));
  const { most, mostBytes } = place(form).dataset;
  const sum = [...files, ...fresh].reduce((bytes, file) => bytes + file.size, 0);
  const empty = fresh.find((file) => !file.size);
  if (files.length + fresh.length > Number(most)) complain(form, `At most ${most} files go out at once.`);
  else if (sum > Number(mostBytes)) complain(form, `Together these files are larger than ${size(Number(mostBytes))}.`);
  else if (empty) complain(form, `“${empty.name}” is empty, or is a folder.`);
  else {
    complain(form, "");
    hold(form, [...files, ...fresh]);
    if (fresh.length) announce(fresh.length === 1 ? `${fresh[0].name} is attached.` : `${fresh.length} files are attached.`);
    return;
  }
  hold(form, files);
}

const signature = (file) => `${file.name}|${file.size}|${file.lastModified}`;

function remove(form, index) {
  const files = chosen(form);
  const [gone] = files.splice(index, 1);
  complain(form, "");
  hold(form, files);
  announce(`${gone.name} is no longer attached.`);
  const buttons = place(form).querySelectorAll("[data-attach-remove]");
  (buttons[Math.min(index, buttons.length - 1)] ?? form.querySelector("textarea"))?.focus();
}

// -- Showing --------------------------------------------------------------------------------------------------------

function show(form) {
  const list = place(form).querySelector("[data-attach-list]");
  const files = chosen(form);
  list.replaceChildren(...files.map(row));
  list.hidden = !files.length;
  // With a file, nothing need be written.
  const text = form.querySelector("textarea[name=text]");
  if (text) {
    text.dataset.wasRequired ??= String(text.required);
    text.required = text.dataset.wasRequired === "true" && !files.length;
  }
}

function row(file, index) {
  const item = document.createElement("li");
  item.className = "file";
  const inside = document.createElement("span");
  inside.className = "file-row";
  inside.append(picture(file), named("file-name", file.name), named("file-about", size(file.size)));
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn";
  button.dataset.variant = "ghost";
  button.dataset.size = "icon-sm";
  button.dataset.attachRemove = String(index);
  button.setAttribute("aria-label", `Remove ${file.name}`);
  button.title = "Remove";
  button.append(icon("x"));
  inside.append(button);
  item.append(inside);
  return item;
}

function picture(file) {
  if (!/^image\/(png|jpeg|gif|webp)$/.test(file.type)) {
    const drawn = icon(file.type.startsWith("audio/") ? "file-audio" : "file-text");
    drawn.classList.add("file-icon");
    return drawn;
  }
  const reader = new FileReader();
  const image = document.createElement("img");
  image.className = "attach-picture";
  image.alt = "";
  // As text, since the policy lets no other pictures of the browser's own be shown.
  reader.onload = () => (image.src = String(reader.result));
  reader.readAsDataURL(file);
  return image;
}

function named(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

/** Drawn as the others are: the address of the drawings is that of one that is there. */
function icon(name) {
  const sample = document.querySelector("svg.icon use").getAttribute("href").split("#")[0];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sample}#${name}`);
  svg.append(use);
  return svg;
}

function size(bytes) {
  if (bytes < 1_000) return `${bytes} bytes`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1).replace(".0", "")} MB`;
}

function complain(form, sentence) {
  const line = place(form).querySelector("[data-attach-problem]");
  line.textContent = sentence;
  line.hidden = !sentence;
}

// -- Sending --------------------------------------------------------------------------------------------------------

/** Posts a form; where files go along, it is shown how far they are. Answers as `fetch` does. */
export function upload(form, body, headers) {
  if (!chosen(form).length) return fetch(form.action, { method: "POST", body, headers });
  const bar = place(form).querySelector("[data-attach-progress]");
  const percent = bar.querySelector("[data-attach-percent]");
  const far = (part) => {
    bar.querySelector("progress").value = Math.round(part * 100);
    percent.textContent = part < 1 ? `${Math.round(part * 100)} %` : "Nearly done …";
  };
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) far(event.loaded / event.total);
    });
    request.addEventListener("loadend", () => (bar.hidden = true));
    request.addEventListener("load", () => {
      const told = new Headers();
      for (const line of request.getAllResponseHeaders().trim().split(/[\r\n]+/)) {
        const [name, ...value] = line.split(": ");
        if (name) told.append(name, value.join(": "));
      }
      const hasBody = ![204, 205, 304].includes(request.status);
      resolve(new Response(hasBody ? request.responseText : null, { status: request.status, headers: told }));
    });
    for (const name of ["error", "abort", "timeout"]) request.addEventListener(name, () => reject(new TypeError(name)));
    far(0);
    bar.hidden = false;
    request.send(body);
  });
}

// -- Listening ------------------------------------------------------------------------------------------------------

const formOf = (target) => {
  const form = target.closest?.("form");
  return place(form) ? form : null;
};
const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** What was chosen before, since the browser's own dialog forgets it. */
const before = new WeakMap();

document.addEventListener("click", (event) => {
  if (event.target.matches?.("[data-attach] input[type=file]")) before.set(event.target, [...event.target.files]);
  const button = event.target.closest?.("[data-attach-remove]");
  if (button) remove(button.form, Number(button.dataset.attachRemove));
});

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-attach] input[type=file]")) return;
  const { form } = event.target;
  const fresh = [...event.target.files];
  hold(form, before.get(event.target) ?? []);
  before.delete(event.target);
  add(form, fresh);
});

// The label is the button: keys reach it, too.
document.addEventListener("keydown", (event) => {
  const button = event.target.closest?.("[data-attach-button]");
  if (!button || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  button.click();
});

document.addEventListener("paste", (event) => {
  const form = formOf(event.target);
  const files = [...(event.clipboardData?.files ?? [])];
  if (!form || !files.length) return;
  event.preventDefault();
  const now = new Date();
  const at = [now.getHours(), now.getMinutes(), now.getSeconds()].map((part) => String(part).padStart(2, "0")).join(".");
  // Browsers call every picture that is pasted the same.
  add(form, files.map((file, index) => (/^image\.\w+$/.test(file.name) ? renamed(file, `screenshot ${at}${index ? ` ${index + 1}` : ""}`) : file)));
});

function renamed(file, stem) {
  return new File([file], `${stem}${file.name.slice(file.name.lastIndexOf("."))}`, {
    type: file.type,
    lastModified: file.lastModified,
  });
}

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  // A file that misses the form must not take the place of the page.
  event.preventDefault();
  const form = formOf(event.target);
  for (const each of document.querySelectorAll("form[data-dropping]"))
    if (each !== form) each.removeAttribute("data-dropping");
  form?.setAttribute("data-dropping", "");
  event.dataTransfer.dropEffect = form ? "copy" : "none";
});

document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) for (const each of document.querySelectorAll("form[data-dropping]")) each.removeAttribute("data-dropping");
});

document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  for (const each of document.querySelectorAll("form[data-dropping]")) each.removeAttribute("data-dropping");
  const form = formOf(event.target);
  if (form) add(form, event.dataTransfer.files);
});

document.addEventListener("composer:sent", (event) => {
  const form = formOf(event.target);
  if (!form) return;
  complain(form, "");
  hold(form, []);
});

/** The button is one from now on, and the browser's own field is in its stead no more. */
function begin() {
  for (const button of document.querySelectorAll("[data-attach-button]:not([role])")) {
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    document.getElementById(button.htmlFor).tabIndex = -1;
  }
}

onNew(begin);
document.addEventListener("live:fresh", begin);
