"""Every page there is, as owners of a full and of an empty business see it: accessible at a desk and on a telephone,
without a complaint of the browser, and with nothing in it that leads nowhere.

A new page is here by itself; one that needs more than the showroom has is named below.
"""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urldefrag, urljoin

import pytest
from playwright.async_api import Browser, Page

from konstruct.settings import Settings
from portal import access
from portal.app import build
from tests.browser.checking import check_page, listen, run
from tests.browser.conftest import new_context
from tests.support.members import Enrolled
from tests.support.showroom import Showroom

pytestmark = pytest.mark.stack

NOT_PAGES: Final = {
    "/health/live": "for machines",
    "/": "leads on",
    "/t/{tenant}/search": "a part of the palette",
    "/t/{tenant}/inbox/stream": "a stream",
    "/t/{tenant}/setup/message": "a part of the set-up",
    "/t/{tenant}/channels/{connection}/heard": "a part of the channel's page",
    "/t/{tenant}/employee-pictures/{picture_id}": "a picture",
    "/t/{tenant}/api/openapi.json": "a download",
    "/t/{tenant}/saved-replies": "for the field in which they are put",
    "/t/{tenant}/files/{file_id}": "a file",
    "/t/{tenant}/files/{file_id}/picture": "a picture",
    "/t/{tenant}/usage/shown.csv": "a file",
    "/t/{tenant}/usage/ledger.csv": "a file",
    "/t/{tenant}/outcomes/shown.csv": "a file",
    "/t/{tenant}/contacts/{contact_id}/erasure": "a part of the contact's page",
    "/t/{tenant}/audit/checks/progress": "a part of the page of checks",
    "/t/{tenant}/billing/change": "test_billing looks at it",
    "/t/{tenant}/billing/cancel": "test_billing looks at it",
    "/t/{tenant}/billing/done": "test_billing looks at it",
    "/t/{tenant}/billing/back": "Stripe leads here, and it leads on",
    "/t/{tenant}/knowledge/{source}/documents/{document_id}": "test_offers looks at it",
    "/channels/slack/callback": "Slack leads here, and it leads on",
    "/sign-in/with/{key}": "leads on to a provider",
    "/sign-in/with/{key}/callback": "a provider leads here, and it leads on",
    "/account/security/providers/{key}": "leads on to a provider",
    "/account/confirm/with/{key}": "leads on to a provider",
    "/verify": "for who has a link from a mail",
    "/invitations/{token}": "for who has a link from a mail",
    "/dev/mail": "only where the one-machine stack catches mails",
}
"""Addresses that are not looked at here, and why."""
_ROUTES: Final = [
    path
    for path, methods, _ in access.declared(build(Settings()).app.routes)
    if "GET" in methods and path not in NOT_PAGES
]
_OF_ANY_BUSINESS: Final = [path for path in _ROUTES if path.startswith("/t/{tenant}") and path.count("{") == 1]
"""Those of no employee or channel, which an empty business has none of."""
_WHOLE: Final = """
(() => {
  const wrong = [];
  const headings = [...document.querySelectorAll("h1")].filter((each) => each.checkVisibility());
  if (headings.length !== 1) wrong.push(`${headings.length} headings of the first rank`);
  if (!/^\\S.+ · Konstruct$/.test(document.title)) wrong.push(`the title is ${JSON.stringify(document.title)}`);
  for (const each of document.images)
    if (each.complete && !each.naturalWidth) wrong.push(`no picture at ${each.src}`);
  for (const each of document.querySelectorAll("use")) {
    const shape = each.getBBox();
    if (each.checkVisibility() && !shape.width && !shape.height) wrong.push(`no drawing ${each.getAttribute("href")}`);
  }
  for (const each of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(each.hash.slice(1))) wrong.push(`nothing is called ${each.hash}`);
  return wrong;
})()
"""
_LINKS: Final = """[...document.querySelectorAll("a[href]")].map((each) => each.getAttribute("href"))"""
_KEYS: Final = {"/groups/": "workshop", "/people/": "ben", "/replies/": "returns"}
"""Of what is not an employee."""
_known_links: Final[dict[str, int]] = {}
"""What links and pages were answered with, so that none is followed twice."""


@pytest.fixture(scope="module")
async def tab(browser: Browser, portal_url: str) -> AsyncIterator[Page]:
    """One for all pages, which loads once what they share, and axe with it."""
    context = await new_context(browser, portal_url)
    yield await context.new_page()
    await context.close()


@pytest.fixture
def page(tab: Page) -> Page:
    listen(tab)
    return tab


async def looked_at(page: Page, who: Enrolled, address: str) -> None:
    await page.context.clear_cookies()
    await page.context.add_cookies([who.browser_cookie])
    answer = await page.goto(address)

    assert answer is not None
    assert answer.status == 200, page.url
    _known_links[urldefrag(page.url).url] = answer.status
    await check_page(page)
    wrong = await run(page, _WHOLE)
    for link in await run(page, _LINKS):
        target, _ = urldefrag(urljoin(page.url, link))
        if not target.startswith(urljoin(page.url, "/")):
            continue
        if target not in _known_links:
            _known_links[target] = (await page.request.get(target)).status
        if _known_links[target] >= 400:
            wrong.append(f"{_known_links[target]} at {target}")
    assert not wrong, f"{page.url}\n" + "\n".join(wrong)


@pytest.mark.parametrize("path", _ROUTES)
async def test_a_page_of_a_business_in_which_much_has_happened(page: Page, room: Showroom, path: str) -> None:
    address = path.format(
        tenant=room.owner.slug,
        key=next((key for part, key in _KEYS.items() if part in path), "ada"),
        number=2,
        connection=room.rich.connection_id,
        provider="anthropic",
        **room.people,
        conversation_id=room.mine if "/inbox/" in path else room.conversation,
        approval_id=room.approval_id,
        section="employees",
        source="handbook",
        tool="crm" if path.endswith("/server") else "order-status",
    )
    await looked_at(page, room.owner, address)


@pytest.mark.parametrize("path", _OF_ANY_BUSINESS)
async def test_a_page_of_a_business_in_which_nothing_has(page: Page, room: Showroom, path: str) -> None:
    await looked_at(page, room.newcomer, path.format(tenant=room.newcomer.slug))


@pytest.mark.parametrize("which", ["whatsapp", "lost"])
async def test_other_channels(page: Page, room: Showroom, which: str) -> None:
    await looked_at(page, room.owner, f"/t/{room.owner.slug}/channels/{getattr(room, which)}")


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    known = {path for path, _, _ in access.declared(build(Settings()).app.routes)}
    assert set(NOT_PAGES) <= known
