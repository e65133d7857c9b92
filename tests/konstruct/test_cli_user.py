"""People who are let in by command, without any mail."""

import re
import secrets
from pathlib import Path

from konstruct.accounts import resetting, signing_in
from konstruct.accounts.passwords import Passwords
from konstruct.accounts.sessions import Client
from konstruct.db import Database
from konstruct.limits import LocalLimiter
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.support.commands import konstruct
from tests.support.members import PASSWORD, enrolled
from tests.support.processes import environment


async def test_somebody_is_let_in_listed_and_erased(
    settings: Settings, database: Database, vault: Vault, tmp_path: Path
) -> None:
    owner = await enrolled(database, vault)
    address = f"gil-{secrets.token_hex(5)}@example.com"
    assert settings.database_url is not None
    env = environment(
        tmp_path,
        database_url=settings.database_url.get_secret_value(),
        encryption_keys=settings.encryption_keys[0].get_secret_value(),
        portal_public_url="https://konstruct.example",
    )
    of = ("--tenant", owner.slug)

    added = await konstruct("user", "add", address.upper(), *of, "--role", "agent", env=env)
    again = await konstruct("user", "add", address, *of, env=env)
    wrong = await konstruct("user", "add", f"x{address}", *of, "--role", "king", env=env)
    listed = await konstruct("user", "list", *of, env=env)
    link = await konstruct("user", "link", address, env=env)
    unknown = await konstruct("user", "link", "nobody@example.org", env=env)

    assert (added.status, again.status, wrong.status, unknown.status) == (0, 1, 1, 1)
    assert "in the team already" in again.complained
    assert "Choose one of the roles." in wrong.complained
    assert f"{address}  agent  " in listed.said
    assert f"{owner.email}  owner  Anna Berg" in listed.said
    found = re.fullmatch(r"https://konstruct\.example/reset\?token=(\S+)", link.said.strip())
    assert found
    opened, user = await resetting.open_link(database, found[1])
    passwords = Passwords()
    await resetting.confirm(database, vault, passwords, "https://konstruct.example", opened, user, PASSWORD)
    assert await signing_in.check_password(database, passwords, LocalLimiter(), Client(), address, PASSWORD)

    kept = await konstruct("user", "erase", owner.email, env=env)
    erased = await konstruct("user", "erase", address, env=env)
    assert (kept.status, erased.status) == (1, 0)
    assert "Nobody else is an owner" in kept.complained
    assert await signing_in.find_user(database, address) is None
