"""The pictures of `docs/screens`: ``python -m tests.support.screens [NAME…]`` takes them anew, all or those named."""

import io
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.support.members import Enrolled
from tests.support.showroom import Showroom
from tests.support.vendored import CHECKOUT

FOLDER: Final = CHECKOUT / "docs" / "screens"
INTO: Final = "KONSTRUCT_SCREENS_INTO"
"""The variables that tell the test, which has the servers, where to put the pictures, and which are wanted."""
ONLY: Final = "KONSTRUCT_SCREENS_ONLY"
LARGEST: Final = 100_000
_DESK: Final[ViewportSize] = {"width": 1280, "height": 800}
_TELEPHONE: Final[ViewportSize] = {"width": 390, "height": 844}
_COLOURS: Final = 256

Act = Callable[[Page], Awaitable[object]]


@dataclass(frozen=True)
class Screen:
    name: str
    path: str
    who: Literal["owner", "newcomer", "nobody"] = "owner"
    scheme: Literal["light", "dark"] = "light"
    is_phone: bool = False
    act: Act | None = None
    """What is done on the page before its picture is taken."""

    @property
    def size(self) -> ViewportSize:
        return _TELEPHONE if self.is_phone else _DESK


async def _search(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox").fill("a")
    await expect(page.get_by_role("group", name="Employees")).to_be_visible()


async def _trace(page: Page) -> None:
    await page.locator(".trace > summary").first.click()


async def _remove(page: Page) -> None:
    await page.get_by_role("button", name="Change Ben Okafor").click()
    await page.get_by_role("button", name="Remove…").locator("visible=true").click()


async def _drawn(page: Page) -> None:
    await expect(page.locator(".chart").first).to_be_visible()


SCREENS: Final = (
    Screen("sign-in", "/sign-in", "nobody"),
    Screen("sign-up", "/sign-up", "nobody"),
    Screen("home", "/t/{tenant}/home"),
    Screen("set-up", "/t/{tenant}/setup", "newcomer"),
    Screen("employees", "/t/{tenant}/employees"),
    Screen("employees-phone", "/t/{tenant}/employees", scheme="dark", is_phone=True),
    Screen("employee-new", "/t/{tenant}/employees/new", "newcomer"),
    Screen("designer", "/t/{tenant}/employees/ada"),
    Screen("designer-dark", "/t/{tenant}/employees/ada", scheme="dark"),
    Screen("designer-phone", "/t/{tenant}/employees/ada", is_phone=True),
    Screen("publish", "/t/{tenant}/employees/ada/publish"),
    Screen("versions", "/t/{tenant}/employees/ada/versions"),
    Screen("rehearsal", "/t/{tenant}/employees/ada/rehearsal", act=_trace),
    Screen("channels", "/t/{tenant}/channels"),
    Screen("channel", "/t/{tenant}/channels/{connection}"),
    Screen("whatsapp-connect", "/t/{tenant}/channels/whatsapp"),
    Screen("team", "/t/{tenant}/team"),
    Screen("team-remove-dark", "/t/{tenant}/team", scheme="dark", act=_remove),
    Screen("billing", "/t/{tenant}/billing"),
    Screen("billing-phone", "/t/{tenant}/billing", scheme="dark", is_phone=True),
    Screen("settings", "/t/{tenant}/settings"),
    Screen("models", "/t/{tenant}/settings/models"),
    Screen("hand-off", "/t/{tenant}/settings/desk"),
    Screen("api-keys", "/t/{tenant}/settings/api-keys"),
    Screen("security", "/account/security"),
    Screen("inbox", "/t/{tenant}/inbox"),
    Screen("inbox-conversation", "/t/{tenant}/inbox/{mine}"),
    Screen("inbox-conversation-dark", "/t/{tenant}/inbox/{mine}", scheme="dark"),
    Screen("inbox-phone", "/t/{tenant}/inbox", is_phone=True),
    Screen("conversation", "/t/{tenant}/conversations/{eventful}"),
    Screen("approvals", "/t/{tenant}/approvals"),
    Screen("contact", "/t/{tenant}/contacts/{contact}"),
    Screen("knowledge", "/t/{tenant}/knowledge"),
    Screen("tools", "/t/{tenant}/tools"),
    Screen("usage", "/t/{tenant}/usage", act=_drawn),
    Screen("budgets", "/t/{tenant}/usage/budgets"),
    Screen("usage-dark", "/t/{tenant}/usage", scheme="dark", act=_drawn),
    Screen("outcomes", "/t/{tenant}/outcomes", act=_drawn),
    Screen("audit", "/t/{tenant}/audit"),
    Screen("api", "/t/{tenant}/api"),
    Screen("palette-dark", "/t/{tenant}/employees", scheme="dark", act=_search),
)


async def take(browser: Browser, site: str, room: Showroom, screen: Screen) -> bytes:
    """The picture as a small PNG."""
    context = await browser.new_context(
        base_url=site,
        viewport=screen.size,
        color_scheme=screen.scheme,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="Europe/Lisbon",
    )
    try:
        who: Enrolled = room.newcomer if screen.who == "newcomer" else room.owner
        if screen.who != "nobody":
            await context.add_cookies([who.browser_cookie])
        page = await context.new_page()
        address = screen.path.format(
            tenant=who.slug,
            connection=room.rich.connection_id,
            mine=room.mine,
            eventful=room.eventful,
            contact=room.people["contact_id"],
        )
        answer = await page.goto(address)
        assert answer is not None
        assert answer.status == 200, screen.name
        # Not for a quiet network, which a page that hears of what is new never has.
        await page.evaluate("document.fonts.ready")
        if screen.act is not None:
            await screen.act(page)
        return _small(await page.screenshot())
    finally:
        await context.close()


def _small(picture: bytes) -> bytes:
    """With a palette in place of all colours, which these pictures have few of."""
    with Image.open(io.BytesIO(picture)) as opened:
        reduced = opened.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        written = io.BytesIO()
        reduced.save(written, "PNG", optimize=True)
    return written.getvalue()


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - {screen.name for screen in SCREENS}
    if unknown:
        raise SystemExit(f"There is no screen called {', '.join(sorted(unknown))}.")
    FOLDER.mkdir(exist_ok=True)
    environment = os.environ | {INTO: str(FOLDER), ONLY: " ".join(wanted)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "taken", "tests/browser/test_screens.py"],
        cwd=CHECKOUT,
        env=environment,
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
