"""What was crossed is carried to owners and admins by the portal's own carrier, to a mail server, once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest
from pydantic import SecretStr

from konstruct.accounts import mails
from konstruct.budgets import alerts
from konstruct.settings import Settings
from portal.services import Services
from tests.support.mail_double import MailDouble, Received, open_mail_double
from tests.support.members import enrolled
from tests.support.office import open_office


class Box(list[Received]):
    """Says when something arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    def append(self, mail: Received) -> None:
        super().append(mail)
        self.arrived.set()

    def texts(self, to: str) -> list[str]:
        return [mail.message.get_content() for mail in self if mail.recipients == [to]]


@pytest.fixture
async def server() -> AsyncIterator[MailDouble]:
    async with open_mail_double() as double:
        yield double


async def test_the_portal_mails_what_a_worker_noted(settings: Settings, server: MailDouble) -> None:
    smtp = SecretStr(f"smtp://127.0.0.1:{server.port}")
    more = {"smtp_url": smtp, "mail_from": "konstruct@example.com", "portal_public_url": "https://portal.example"}
    services = Services(settings.model_copy(update=more))
    office = await open_office(services.database, services.vault)
    owner = await enrolled(services.database, services.vault, "owner", office.tenant_id)
    async with office.session() as session:
        await alerts.cross(session, "budget:business", date(2026, 11, 1), used=9, most=10)
    box = server.inbox = Box()
    # Two portals at once.
    carriers = [asyncio.create_task(services.carry_mails()) for _ in range(2)]

    try:
        async with asyncio.timeout(120):
            while not box.texts(owner.email):
                box.arrived.clear()
                await box.arrived.wait()
        await alerts.write(services.database, services.vault, "https://portal.example")
        # It may still be on its way to be forgotten; another one was not written.
        kept = await mails.kept(services.database, services.vault, 1_000)
        assert len([mail for mail in kept if mail.to == owner.email]) <= 1
    finally:
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        await services.close()
    [text] = box.texts(owner.email)
    assert f"https://portal.example/t/{owner.slug}/usage#budgets" in text
