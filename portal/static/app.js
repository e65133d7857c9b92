// What every page has. All of it works by `data-…` attributes and listeners on the document, so that it holds for what
// comes later, too; a page's own behaviour is in a file of its own, which the page names in its block `head`.
import { start as startAsking } from "./js/asking.js";
import { start as startForms } from "./js/forms.js";
import { start as startPalette } from "./js/palette.js";
import { start as startSurfaces } from "./js/surfaces.js";
import { start as startTimes } from "./js/times.js";
import { start as startToasts } from "./js/toasts.js";

for (const start of [startToasts, startForms, startSurfaces, startTimes, startPalette, startAsking]) start();
document.documentElement.dataset.ready = "";
