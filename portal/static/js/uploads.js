// Files handed in: dropped or chosen, each sent by itself, with what came of it beside its name. Without this, the form
// sends them all at once.
import { announce } from "./parts.js";

const AWAY = "Konstruct could not be reached. Try this file again.";

const form = document.querySelector("form[data-upload]");
if (form) start(form);

function start(form) {
  const input = form.querySelector("input[type=file]");
  const results = document.getElementById("upload-results");
  const template = document.getElementById("upload-result");
  const largest = Number(form.dataset.largest);
  let queue = Promise.resolve();

  function row(name) {
    const item = template.content.firstElementChild.cloneNode(true);
    item.querySelector("[data-name]").textContent = name;
    results.append(item);
    return item;
  }

  function tell(item, state, says) {
    item.dataset.state = state;
    item.querySelector("[data-says]").textContent = says;
  }

  function send(file, item) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.setRequestHeader("Accept", "application/json");
      request.responseType = "json";
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) tell(item, "waiting", `${Math.round((100 * event.loaded) / event.total)} %`);
      });
      request.addEventListener("loadend", () => resolve(request));
      const body = new FormData();
      body.append("files", file);
      request.send(body);
    });
  }

  async function hand(file) {
    const item = row(file.name);
    if (file.size > largest)
      return tell(item, "failed", `It is larger than ${Math.floor(largest / 1e6)} MB: split it into smaller files.`);
    tell(item, "waiting", "");
    const answer = await send(file, item);
    const [result] = answer.status === 200 && Array.isArray(answer.response) ? answer.response : [];
    tell(item, result?.is_taken ? "ok" : "failed", result?.says ?? AWAY);
    announce(`${file.name}: ${result?.says ?? AWAY}`);
  }

  function take(files) {
    // One after the other, so that a hundred of them do not keep each other from arriving.
    for (const file of files) queue = queue.then(() => hand(file));
    queue = queue.then(() => document.getElementById("live")?.dispatchEvent(new Event("documents:refresh")));
  }

  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  form.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    form.toggleAttribute("data-over", true);
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.toggleAttribute("data-over", false);
  });
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.toggleAttribute("data-over", false);
    take([...event.dataTransfer.files]);
  });
  form.querySelector("[data-upload-button]").hidden = true;
  form.dataset.ready = "";
}
