"""Every page there is, as an owner sees it: accessible, on a telephone too, and without a complaint of the browser.

A new page is here by itself; one that needs more than a business with an employee and a channel is named below.
"""

from dataclasses import dataclass
from typing import Final

import pytest
from playwright.async_api import Page

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal import access
from portal.app import build
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office

pytestmark = pytest.mark.stack

NOT_PAGES: Final = {
    "/health/live": "for machines",
    "/": "leads on",
    "/t/{tenant}/search": "a part of the palette",
    "/t/{tenant}/setup/message": "a part of the set-up",
    "/t/{tenant}/channels/{connection}/heard": "a part of the channel's page",
    "/t/{tenant}/employee-pictures/{picture_id}": "a picture",
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


@dataclass(frozen=True)
class Place:
    office: Office
    owner: Enrolled

    def filled(self, path: str) -> str:
        return path.format(
            tenant=self.owner.slug,
            key="new" if "/desk/" in path else "ada",
            number=1,
            connection=self.office.connection_id,
            provider="anthropic",
        )


@pytest.fixture(scope="module")
async def place(database: Database, vault: Vault) -> Place:
    office = await open_office(database, vault)
    return Place(office, await enrolled(database, vault, tenant=office.tenant_id))


@pytest.fixture
async def page(page_as: PageAs, place: Place) -> Page:
    return await page_as(place.owner)


@pytest.mark.parametrize("path", _ROUTES)
async def test_a_page_is_accessible_and_fits_a_telephone(page: Page, place: Place, path: str) -> None:
    answer = await page.goto(place.filled(path))

    assert answer is not None
    assert answer.status == 200, page.url
    await check_page(page)


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    known = {path for path, _, _ in access.declared(build(Settings()).app.routes)}
    assert set(NOT_PAGES) <= known
