"""The check that every page passes finds what it is there to find; and a browser is never done without."""

import pytest

from konstruct.db import Database
from konstruct.vault import Vault
from tests.browser import chromium
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.members import enrolled


@pytest.mark.stack
async def test_each_thing_that_can_be_wrong_with_a_page_is_found(
    page_as: PageAs, database: Database, vault: Vault
) -> None:
    who = await enrolled(database, vault)
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/gallery/wrong")

    with pytest.raises(AssertionError) as failure:
        await check_page(page)

    said = str(failure.value)
    for part in (
        "light: image-alt",
        "dark: label",
        "telephone: ",
        "answer: 404",
        "no-such-picture.png",
        "console: said by a script",
        "style-src",
        "script: ",
    ):
        assert part in said, said


def test_a_browser_that_was_named_and_is_not_there_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONSTRUCT_CHROMIUM", "/no/such/browser")

    with pytest.raises(chromium.NoBrowser, match="KONSTRUCT_CHROMIUM is /no/such/browser, and no program is there"):
        chromium.find()
