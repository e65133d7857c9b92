"""The pictures in the documentation can be taken, and those that it shows are there."""

import os
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser
from pydantic import SecretStr

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from tests.support.http import serve
from tests.support.screens import FOLDER, INTO, LARGEST, ONLY, SCREENS, take
from tests.support.showroom import furnish
from tests.support.vendored import CHECKOUT

_WANTED = set(os.environ.get(ONLY, "").split()) or {screen.name for screen in SCREENS}


@pytest.mark.stack
async def test_the_pictures_can_be_taken(
    browser: Browser, settings: Settings, database: Database, vault: Vault, tmp_path: Path
) -> None:
    # As where an operator has set all that channels need.
    given = ("slack_client_secret", "slack_signing_secret", "whatsapp_verify_token")
    public = {"gateway_public_url": "https://hooks.acme.example", "slack_client_id": "1.2", "dev_mail": True}
    ready = settings.model_copy(update={**dict.fromkeys(given, SecretStr("seven-small-boats")), **public})
    folder = Path(os.environ.get(INTO, tmp_path))
    room = await furnish(database, vault, mark="" if INTO in os.environ else None)
    # Those of a few pages are enough to see that it works; `tests.support.screens` takes all.
    screens = [screen for screen in SCREENS if screen.name in _WANTED]
    async with serve(build(ready)) as portal_url:
        for screen in screens if INTO in os.environ else screens[:: len(screens) // 3]:
            picture = folder / f"{screen.name}.png"
            picture.write_bytes(await take(browser, portal_url, room, screen))
            with Image.open(picture) as opened:
                assert opened.size == (screen.size["width"], screen.size["height"])
            assert picture.stat().st_size < LARGEST


def test_the_pictures_that_are_shown_are_there() -> None:
    shown = set(re.findall(r"\(screens/([a-z-]+)\.png\)", (CHECKOUT / "docs" / "portal.md").read_text()))
    assert shown == {screen.name for screen in SCREENS} == {path.stem for path in FOLDER.glob("*.png")}
