"""A database of the tests' own that is put back, an office in it, and a channel that remembers more than it does."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from konstruct.db import Database
from konstruct.embedded.postgres import Postgres
from konstruct.identity import new_id
from konstruct.ports import ChannelAccount, Thread
from konstruct.recovery import fencing, restorations
from konstruct.recovery.fencing import Fenced
from konstruct.recovery.looking import Look
from konstruct.recovery_ports import Answered
from konstruct.vault import Vault
from tests.support.databases import Own, own_database
from tests.support.doubles import RecordingMessenger
from tests.support.office import Office, open_office

YESTERDAY = timedelta(days=1)


@dataclass
class Remembering:
    """Gives the answers that stand in a thread, by its root; ``trouble`` is raised instead."""

    answers: dict[str, list[Answered]] = field(default_factory=dict)
    trouble: Exception | None = None

    def answered(self, root: str, text: str) -> UUID:
        answer = Answered(new_id(), f"ts-{new_id()}", text, datetime.now(UTC))
        self.answers.setdefault(root, []).append(answer)
        return answer.message_id

    async def answers_since(
        self, account: ChannelAccount, thread: Thread, since: datetime, known: Collection[UUID]
    ) -> list[Answered]:
        if self.trouble is not None:
            raise self.trouble
        return [answer for answer in self.answers.get(thread.root, ()) if answer.message_id not in known]


@pytest.fixture(scope="module")
async def own(postgres: Postgres) -> AsyncIterator[Own]:
    async with own_database(postgres, "put_back") as own:
        yield own


@pytest.fixture
async def restored(own: Own, vault: Vault) -> Office:
    """An office in it."""
    return await open_office(own.database, vault)


@pytest.fixture
def channel() -> Remembering:
    return Remembering()


@dataclass
class Recovery:
    database: Database
    vault: Vault
    messenger: RecordingMessenger
    channel: Remembering
    reports: list[str] = field(default_factory=list)

    async def fence(self) -> Fenced:
        """As if all that there is had been of a backup of yesterday."""
        restoration = await restorations.unfenced(self.database)
        if restoration is None:
            restoration = await restorations.begin(self.database, datetime.now(UTC) - YESTERDAY)
        look = Look({"slack": self.messenger, "whatsapp": self.messenger}, {"slack": self.channel})
        return await fencing.fence(self.database, self.vault, restoration, look, self.reports.append)


@pytest.fixture
async def recovery(
    own: Own, vault: Vault, messenger: RecordingMessenger, channel: Remembering
) -> AsyncIterator[Recovery]:
    yield Recovery(own.database, vault, messenger, channel)
    administrator = await asyncpg.connect(own.owner_url)
    await administrator.execute("delete from restorations")
    await administrator.close()
