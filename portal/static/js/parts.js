// How the parts of the page's behaviour hear of what came new, and say something to those who hear the page.

/** Calls `refresh` with the document now, and with the whole of it whenever htmx, or js/live.js, has changed something. */
export function onNew(refresh) {
  refresh(document);
  for (const event of ["htmx:after:swap", "live:fresh"]) document.addEventListener(event, () => refresh(document));
}

/** Says it to those who hear the page; nothing is seen. */
export function announce(sentence) {
  const place = document.getElementById("announcer");
  if (place) place.textContent = sentence;
}

/** Whether keys that are pressed now are meant as text. */
export function isTyping(target) {
  return target.isContentEditable || target.closest?.("input, textarea, select") !== null;
}
