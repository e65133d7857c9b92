// Moments, in the zone of whoever looks: how long ago, with the exact time on hover; or the exact time itself.
import { onNew } from "./parts.js";

const language = navigator.language.startsWith("en") ? navigator.language : "en-GB";
const units = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function formats() {
  const chosen = document.documentElement.dataset.timeZone || undefined;
  const make = (options) => {
    try {
      return new Intl.DateTimeFormat(language, { ...options, timeZone: chosen });
    } catch {
      return new Intl.DateTimeFormat(language, options);
    }
  };
  return {
    date: make({ dateStyle: "medium" }),
    clock: make({ timeStyle: "short" }),
    absolute: make({ dateStyle: "medium", timeStyle: "short" }),
    exact: make({ dateStyle: "full", timeStyle: "long" }),
  };
}

const format = formats();

export function ago(moment, now = Date.now()) {
  const seconds = Math.round((moment - now) / 1000);
  if (Math.abs(seconds) < 45) return seconds > 0 ? "in a moment" : "just now";
  if (Math.abs(seconds) > 6 * 86400) return format.date.format(moment);
  const [unit, length] = units.find(([, each]) => Math.abs(seconds) >= each) ?? ["minute", 60];
  return relative.format(Math.round(seconds / length), unit);
}

function draw(root) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const form = time.dataset.time;
    const text = form === "relative" ? ago(moment) : (format[form] ?? format.absolute).format(moment);
    if (time.textContent !== text) time.textContent = text;
    time.title = format.exact.format(moment);
  }
}

export function start() {
  onNew(draw);
  setInterval(() => draw(document), 30000);
}
