// What opens and closes: menus, dialogs, the drawer, tabs; and the small buttons of the top bar.
import { announce, onNew } from "./parts.js";

// -- Menus ----------------------------------------------------------------------------------------------------------

const items = (menu) => [...menu.querySelectorAll(".menu-item")].filter((item) => item.offsetParent !== null);

function place(menu) {
  // Where the browser cannot place a popover beside its button by itself.
  const button = document.querySelector(`[popovertarget="${menu.id}"]`);
  const box = button.getBoundingClientRect();
  const left = menu.dataset.side === "end" ? box.right - menu.offsetWidth : box.left;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.min(box.bottom, innerHeight - menu.offsetHeight - 8)}px`;
}

function startMenus() {
  document.addEventListener(
    "toggle",
    (event) => {
      if (!event.target.matches?.("[data-menu]")) return;
      const isOpen = event.newState === "open";
      document.querySelector(`[popovertarget="${event.target.id}"]`)?.setAttribute("aria-expanded", String(isOpen));
      if (!isOpen) return;
      if (!CSS.supports("position-area: bottom")) place(event.target);
      items(event.target)[0]?.focus();
    },
    true,
  );
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("[data-menu]:popover-open");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const all = menu && step ? items(menu) : [];
    if (!all.length) return;
    event.preventDefault();
    all[(all.indexOf(event.target) + step + all.length) % all.length]?.focus();
  });
  document.addEventListener("click", (event) => {
    const menu = event.target.closest?.("[data-menu]:popover-open");
    if (menu && event.target.closest(".menu-item[type=button]")) menu.hidePopover();
  });
}

// -- Dialogs --------------------------------------------------------------------------------------------------------

function startDialogs() {
  onNew((root) => root.querySelectorAll("dialog[data-open]:not([open])").forEach((dialog) => dialog.showModal()));
  const knowsCommands = "commandForElement" in HTMLButtonElement.prototype;
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[commandfor]");
    if (!button || knowsCommands) return;
    const dialog = document.getElementById(button.getAttribute("commandfor"));
    if (button.getAttribute("command") === "close") dialog?.close();
    else dialog?.showModal();
  });
  const knowsClosing = "closedBy" in HTMLDialogElement.prototype;
  document.addEventListener("click", (event) => {
    if (!knowsClosing && event.target.matches?.('dialog[open][closedby="any"]')) event.target.close();
  });
  // Wide enough for the sidebar, the drawer would cover what it shows.
  matchMedia("(min-width: 48rem)").addEventListener("change", () => document.getElementById("drawer")?.close());
}

// -- Tabs -----------------------------------------------------------------------------------------------------------

function choose(tab) {
  for (const each of tab.parentElement.querySelectorAll('[role="tab"]')) {
    const isChosen = each === tab;
    each.setAttribute("aria-selected", String(isChosen));
    each.tabIndex = isChosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !isChosen;
  }
}

function showCurrent() {
  // Where the tabs are wider than the screen, the one that is open may be beyond its edge.
  for (const bar of document.querySelectorAll(".tab-links")) {
    const current = bar.querySelector("[aria-current]");
    if (current) bar.scrollLeft = current.offsetLeft - bar.offsetLeft - (bar.clientWidth - current.offsetWidth) / 2;
  }
}

function startTabs() {
  showCurrent();
  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.('[data-tabs] [role="tab"]');
    if (tab) choose(tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.('[data-tabs] [role="tab"]');
    if (!tab) return;
    const all = [...tab.parentElement.querySelectorAll('[role="tab"]')];
    const at = all.indexOf(tab);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const chosen = all[(next + all.length) % all.length];
    choose(chosen);
    chosen.focus();
  });
}

// -- Copying --------------------------------------------------------------------------------------------------------

async function copy(button) {
  const text = button.dataset.copy;
  const label = button.querySelector("[data-copy-label]");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    announce("It could not be copied. Mark it and copy it by hand.");
    return;
  }
  label.dataset.before ??= label.textContent;
  label.textContent = "Copied";
  button.dataset.copied = "";
  announce("Copied.");
  setTimeout(() => {
    label.textContent = label.dataset.before;
    delete button.dataset.copied;
  }, 2000);
}

// -- Light, dark, and the folded sidebar ----------------------------------------------------------------------------

function keep(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Where nothing may be kept, it holds for this page alone.
  }
  document.dispatchEvent(new Event("appearance"));
}

function markTheme() {
  for (const button of document.querySelectorAll("[data-set-theme]"))
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === document.documentElement.dataset.theme));
  const fold = document.querySelector("[data-fold-sidebar]");
  if (fold) {
    const isFolded = document.documentElement.hasAttribute("data-folded");
    const label = isFolded ? "Unfold the sidebar" : "Fold the sidebar";
    fold.setAttribute("aria-expanded", String(!isFolded));
    fold.setAttribute("aria-label", label);
    fold.title = label;
  }
}

function startAppearance() {
  markTheme();
  document.addEventListener("appearance", markTheme);
  document.addEventListener("click", (event) => {
    const theme = event.target.closest?.("[data-set-theme]")?.dataset.setTheme;
    if (theme) keep("theme", theme === "system" ? null : theme);
    if (event.target.closest?.("[data-fold-sidebar]"))
      keep("sidebar", document.documentElement.hasAttribute("data-folded") ? null : "folded");
  });
}

export function start() {
  startMenus();
  startDialogs();
  startTabs();
  startAppearance();
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) copy(button);
  });
}
