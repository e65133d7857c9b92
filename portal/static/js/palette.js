// Ctrl+K: jump to a page, or find what is called so; `g` and a letter; and the list of such keys.
import { announce, isTyping } from "./parts.js";

const JUMP_WITHIN = 1500;

let asked = null;

function startPalette(palette) {
  const input = palette.querySelector("input");
  const list = document.getElementById("palette-list");
  const found = document.getElementById("palette-found");
  const none = palette.querySelector(".palette-none");
  const options = () => [...list.querySelectorAll('[role="option"]')].filter((option) => !option.hidden);

  function mark(option) {
    for (const each of list.querySelectorAll('[aria-selected="true"]')) each.setAttribute("aria-selected", "false");
    if (option) {
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", option.id);
    } else input.removeAttribute("aria-activedescendant");
  }

  function settle() {
    const shown = options();
    mark(shown[0]);
    list.hidden = shown.length === 0;
    none.hidden = shown.length > 0 || asked !== null;
    if (!none.hidden) announce("Nothing is called that.");
  }

  function narrow(words) {
    const places = list.querySelector("[data-palette-places]");
    for (const option of places.querySelectorAll('[role="option"]'))
      option.hidden = !option.querySelector("span").textContent.toLowerCase().includes(words);
    places.hidden = ![...places.querySelectorAll('[role="option"]')].some((option) => !option.hidden);
  }

  async function find(words) {
    asked?.abort();
    asked = null;
    if (!words || !palette.dataset.search) {
      found.replaceChildren();
      return;
    }
    const asking = new AbortController();
    asked = asking;
    try {
      await new Promise((resolve) => setTimeout(resolve, 120));
      if (asking.signal.aborted) return;
      const answer = await fetch(`${palette.dataset.search}?q=${encodeURIComponent(words)}`, {
        headers: { "HX-Request": "true" },
        signal: asking.signal,
      });
      // A page of ours, in which all that anybody called anything was escaped.
      if (answer.ok) found.innerHTML = await answer.text();
    } catch {
      // Another letter was typed, or nobody answers: pages can be jumped to all the same.
    }
    if (asked === asking) {
      asked = null;
      settle();
    }
  }

  function look() {
    const words = input.value.trim().toLowerCase();
    narrow(words);
    find(words);
    settle();
  }

  function open() {
    if (palette.open) return;
    input.value = "";
    found.replaceChildren();
    palette.showModal();
    input.focus();
    look();
  }

  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    const shown = options();
    const at = shown.findIndex((option) => option.getAttribute("aria-selected") === "true");
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (next !== undefined && shown.length) {
      event.preventDefault();
      mark(shown[(next + shown.length) % shown.length]);
    } else if (event.key === "Enter" && shown[at]) {
      event.preventDefault();
      shown[at].click();
    }
  });
  list.addEventListener("pointermove", (event) => {
    const option = event.target.closest('[role="option"]');
    if (option && option.getAttribute("aria-selected") !== "true") mark(option);
  });
  list.addEventListener("click", (event) => {
    if (event.target.closest('[role="option"]')) palette.close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (palette.open) palette.close();
    else if (!document.querySelector("dialog:modal")) open();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-open-palette]")) open();
  });
}

function startKeys() {
  let jumpUntil = 0;
  const sheet = document.getElementById("shortcuts");
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-open-shortcuts]")) sheet?.showModal();
  });
  document.addEventListener("keydown", (event) => {
    const isOther = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
    if (isOther || isTyping(event.target) || document.querySelector("dialog:modal")) return;
    if (event.key === "?" && sheet) {
      event.preventDefault();
      sheet.showModal();
    } else if (event.timeStamp < jumpUntil) {
      jumpUntil = 0;
      event.preventDefault();
      document.querySelector(`[data-jump="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
    } else if (event.key === "g") jumpUntil = event.timeStamp + JUMP_WITHIN;
  });
}

export function start() {
  const palette = document.getElementById("palette");
  if (palette) startPalette(palette);
  startKeys();
  const isApple = /Mac|iPhone|iPad/.test(navigator.platform);
  if (isApple) for (const key of document.querySelectorAll("kbd")) if (key.textContent === "Ctrl") key.textContent = "⌘";
}
