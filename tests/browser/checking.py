"""What every page must hold in a browser: nothing for axe to find and no sideways scroll, light at a desk and dark on a
telephone; no error in the console; nothing that the content security policy had to stop."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

from playwright.async_api import ConsoleMessage, Page, Response, ViewportSize, expect

from tests.support.vendored import CHECKOUT

TELEPHONE: Final[ViewportSize] = {"width": 390, "height": 844}
DESK: Final[ViewportSize] = {"width": 1280, "height": 800}
_AXE: Final = (CHECKOUT / "tests/browser/vendor/axe-core-4.14.1/axe.min.js").read_text()
_SETTLED: Final = """
(async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const moving = document.getAnimations().filter((each) => each.effect?.getComputedTiming().endTime < 2000);
  await Promise.allSettled(moving.map((each) => each.finished));
  return [];
})()
"""
# What is found is shown as it is written, so that no selectors need be made up for it; and style sheets are only loaded
# anew for a rule that is not among these.
_RULES: Final = """
axe.run(document, {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"],
  selectors: false, preload: {assets: ["media"]},
}).then(({violations}) => violations.flatMap(({id, nodes}) => nodes.map((node) =>
    `${id}: ${node.html.slice(0, 200)} — ${node.failureSummary.replace(/\\s+/g, " ").slice(0, 300)}`)))
"""
_TOO_WIDE: Final = """
(() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const over = [...document.querySelectorAll("body *")].filter((each) =>
    each.getBoundingClientRect().right > root.clientWidth + 1 && !each.closest("[popover], dialog:not([open])"));
  const named = over.slice(0, 4).map((each) => each.outerHTML.slice(0, 160));
  return [`${root.scrollWidth} px are wider than ${root.clientWidth}`, ...named];
})()
"""
# What a page asks for by itself, and may be refused: a form that is not filled in rightly, say.
_MAY_FAIL: Final = frozenset({"document", "fetch", "xhr"})


@dataclass
class Heard:
    """What a page complained of since it was opened."""

    complaints: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        # Answers with an error are told apart by what asked for them, below.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")

    def on_error(self, error: Exception) -> None:
        self.complaints.append(f"script: {error}")

    def on_response(self, response: Response) -> None:
        is_of_form = response.request.resource_type in _MAY_FAIL and response.status < 500
        if response.status >= 400 and not is_of_form:
            self.complaints.append(f"answer: {response.status} {response.url}")


_heard: Final[WeakKeyDictionary[Page, Heard]] = WeakKeyDictionary()


def listen(page: Page) -> None:
    """From now on; what was heard before is forgotten."""
    if page in _heard:
        _heard[page].complaints.clear()
        return
    heard = _heard[page] = Heard()
    page.on("console", heard.on_console)
    page.on("pageerror", heard.on_error)
    page.on("response", heard.on_response)


def complaints(page: Page) -> list[str]:
    """Of scripts, the console, the policy and files that are missing; an answer of 500 is among them."""
    return _heard[page].complaints


async def check_page(page: Page) -> None:
    """Fails with all that is wrong with the page as it stands now, menus and dialogs that are open included."""
    wrong = []
    before = page.viewport_size or DESK
    await run(page, f"{_AXE};[]")
    looks: tuple[tuple[str, Literal["light", "dark"], ViewportSize], ...] = (
        ("desk", "light", before),
        ("telephone", "dark", TELEPHONE),
    )
    for place, scheme, size in looks:
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        themed = page.locator("html.dark" if scheme == "dark" else "html:not(.dark)")
        await expect(themed).to_be_attached()
        await run(page, _SETTLED)
        wrong += [f"{place}, {scheme}: {each}" for each in await run(page, _RULES)]
        wrong += [f"{place}: {each}" for each in await run(page, _TOO_WIDE)]
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    await page.set_viewport_size(before)
    wrong += complaints(page)
    assert not wrong, f"{page.url}\n" + "\n".join(wrong)


async def run(page: Page, script: str) -> list[str]:
    """What this script comes to. It goes in by the door for debuggers, which the page's policy does not hold."""
    session = await page.context.new_cdp_session(page)
    try:
        answer: dict[str, Any] = await session.send(
            "Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True}
        )
    finally:
        await session.detach()
    if "exceptionDetails" in answer:
        raise AssertionError(answer["exceptionDetails"].get("exception", {}).get("description", answer))
    found: list[str] = answer["result"].get("value") or []
    return found
