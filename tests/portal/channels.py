"""A tenant with an employee, whose people connect channels, and the pretended Slack and Meta that they connect."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx

from konstruct.connecting import overview
from konstruct.connecting.overview import Seen
from konstruct.db import Database
from konstruct.tables import Tenant
from konstruct.vault import Vault
from tests.support.members import COOKIE, Enrolled, enrolled
from tests.support.office import hire


@dataclass(frozen=True)
class Shop:
    database: Database
    vault: Vault
    owner: Enrolled
    employee: str

    @property
    def channels(self) -> str:
        return f"/t/{self.owner.slug}/channels"

    async def every(self) -> list[Seen]:
        async with self.database.tenant_session(self.owner.tenant_id) as session:
            return await overview.every(session)


async def open_shop(database: Database, vault: Vault) -> Shop:
    owner = await enrolled(database, vault)
    async with database.tenant_session(owner.tenant_id) as session:
        ada = await hire(session, owner.tenant_id, "ada", "Ada")
        # Past its first steps, to which connecting a channel would lead back.
        (await session.get_one(Tenant, owner.tenant_id)).onboarding = {"closed": True}
    return Shop(database, vault, owner, str(ada.id))


def sign_in(visitor: httpx.AsyncClient, person: Enrolled) -> None:
    """In a browser that held nothing."""
    visitor.cookies.clear()
    visitor.cookies.set(COOKIE, person.cookie)


async def add_to_slack(visitor: httpx.AsyncClient, shop: Shop) -> dict[str, str]:
    """Presses the button; returns what Slack's page is asked."""
    answer = await visitor.post(f"{shop.channels}/slack/connect", data={"employee": shop.employee})
    assert answer.status_code == 303, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


async def come_back(visitor: httpx.AsyncClient, **answer: str) -> httpx.Response:
    return await visitor.get("/channels/slack/callback", params=answer)
