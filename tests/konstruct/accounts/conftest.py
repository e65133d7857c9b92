"""What signing up and in needs besides the database."""

import re
from collections.abc import Callable

import pytest

from konstruct.accounts import mails
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.sessions import Client
from konstruct.db import Database
from konstruct.limits import LocalLimiter
from konstruct.vault import Vault

SITE = "https://konstruct.example"
HERE = Client("Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0", "192.0.2.7")


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords()


@pytest.fixture
def limiter() -> LocalLimiter:
    return LocalLimiter()


class Mailbox:
    """What was mailed to one address and not yet carried away."""

    def __init__(self, database: Database, vault: Vault, address: str) -> None:
        self._database = database
        self._vault = vault
        self._address = address

    async def subjects(self) -> list[str]:
        return [
            mail.subject for mail in await mails.kept(self._database, self._vault, 1_000) if mail.to == self._address
        ]

    async def token(self) -> str:
        """Of the link in the newest mail."""
        newest = next(mail for mail in await mails.kept(self._database, self._vault, 1_000) if mail.to == self._address)
        found = re.search(r"(?:token=|/invitations/)([A-Za-z0-9_-]{43})", newest.text)
        assert found, newest.text
        return found[1]


@pytest.fixture
def mailbox(database: Database, vault: Vault) -> Callable[[str], Mailbox]:
    return lambda address: Mailbox(database, vault, address)
