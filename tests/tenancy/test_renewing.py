"""Renewing goes through all tenants: each connection's token is asked for with its own, and kept by it alone."""

from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.renewing import Renewing
from konstruct import connections
from konstruct.connecting.renewing import Renewed
from konstruct.db import Database
from konstruct.vault import Vault
from tests.support.office import open_office


@dataclass
class RecordingRenewer:
    """Gives tokens that say what they were given for."""

    asked: list[str] = field(default_factory=list)

    async def renew(self, refresh_token: SecretStr) -> Renewed:
        given = refresh_token.get_secret_value()
        self.asked.append(given)
        return Renewed(SecretStr(f"xoxb-for-{given}"), SecretStr(f"after-{given}"), timedelta(hours=12))


async def test_each_token_is_renewed_with_its_own_connections_and_kept_by_it_alone(
    database: Database, vault: Vault
) -> None:
    renewer, offices = RecordingRenewer(), [await open_office(database, vault) for _ in range(2)]
    for office in offices:
        tokens = {"bot_token": SecretStr(office.bot_token), "refresh_token": SecretStr(f"of-{office.account}")}
        async with office.session() as session:
            await connections.install(
                session,
                vault,
                office.tenant_id,
                key="slack",
                kind="slack",
                account=office.account,
                external={},
                secrets=tokens,
                employee_key="ada",
                actor="test",
                token_lives=timedelta(0),
            )
    await ActivityEnvironment().run(Renewing(database, vault, renewer).renew_tokens)
    # Those that other tests left to be renewed are, too.
    ours = {f"of-{office.account}" for office in offices}
    assert sorted(token for token in renewer.asked if token in ours) == sorted(ours)
    for office in offices:
        async with office.session() as session:
            secrets = (await connections.open_account(session, vault, office.connection_id)).secrets
        assert secrets["bot_token"].get_secret_value() == f"xoxb-for-of-{office.account}"
        assert secrets["refresh_token"].get_secret_value() == f"after-of-{office.account}"
