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
    day: make({ day: "numeric", month: "short" }),
    absolute: make({ dateStyle: "medium", timeStyle: "short" }),
    exact: make({ dateStyle: "full", timeStyle: "long" }),
  };
}

const format = formats();

// By the server's clock: that of a computer may be wrong by hours, and a contact waits as long as they do.
const LEAST_SKEW = 30_000;
const skew = (() => {
  const since = performance.now() - (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0);
  const arrived = Date.now() - since;
  const ahead = arrived - Number(document.documentElement.dataset.now || arrived);
  return Math.abs(ahead) < LEAST_SKEW ? 0 : ahead;
})();
const clock = () => Date.now() - skew;

export function ago(moment, now = clock()) {
  const seconds = Math.round((moment - now) / 1000);
  if (Math.abs(seconds) < 45) return seconds > 0 ? "in a moment" : "just now";
  if (Math.abs(seconds) > 6 * 86400) return format.date.format(moment);
  const [unit, length] = units.find(([, each]) => Math.abs(seconds) >= each) ?? ["minute", 60];
  return relative.format(Math.round(seconds / length), unit);
}

/** As little of it as tells: `12 min`, `3 h`, `2 d`, then the date. */
function short(moment, now = clock()) {
  const seconds = Math.abs(now - moment) / 1000;
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  if (seconds < 7 * 86400) return `${Math.floor(seconds / 86400)} d`;
  return format.day.format(moment);
}

function draw(root) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const form = time.dataset.time;
    const told = { relative: ago, short }[form];
    const text = told ? told(moment) : (format[form] ?? format.absolute).format(moment);
    if (time.textContent !== text) time.textContent = text;
    time.title = format.exact.format(moment);
  }
}

export function start() {
  onNew(draw);
  setInterval(() => draw(document), 30000);
}
