"""Asking channels who contacts are, where they tell it to whoever asks: once, and again when it may have changed."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final, Protocol

import structlog
from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct import connections, naming
from konstruct.db import Database
from konstruct.errors import ChannelError, ChannelRefused, ConnectionDead, KonstructError
from konstruct.naming import Due
from konstruct.ports import ChannelAccount
from konstruct.vault import Vault

AT_MOST: Final = 100
"""Contacts of one run; the next one goes on."""
SOON: Final = timedelta(minutes=2)
LATER: Final = timedelta(days=1)
"""Where the channel lets nobody ask, until somebody may have changed that."""
OF_THE_CONNECTION: Final = frozenset({"missing_scope", "no_permission", "access_denied"})

log = structlog.get_logger(__name__)


class People(Protocol):
    """A channel that tells who somebody is. Never retries."""

    async def called(self, account: ChannelAccount, person: str) -> str:
        """Empty where nobody is told. Raises ChannelError."""


class Naming:
    def __init__(self, database: Database, vault: Vault, people: Mapping[str, People]) -> None:
        """``people``: by kinds of channels."""
        self._database = database
        self._vault = vault
        self._people = people

    @activity.defn(name="learn_names")
    async def learn_names(self) -> int:
        """How many were told. A run that is cut off leaves the others to the next."""
        learnt = 0
        async with heartbeat():
            due = await naming.due(self._database, AT_MOST)
            by_connection = sorted(due, key=lambda each: (str(each.tenant_id), str(each.connection_id)))
            for _, group in groupby(by_connection, key=lambda each: (each.tenant_id, each.connection_id)):
                contacts = list(group)
                try:
                    learnt += await self._of_connection(contacts)
                except KonstructError as error:
                    # One that cannot be asked must not hold up the others.
                    log.warning("names_not_learnt", connection_id=str(contacts[0].connection_id), error=str(error))
                    await self._put_off(contacts, SOON)
        return learnt

    async def _of_connection(self, contacts: Sequence[Due]) -> int:
        first, learnt = contacts[0], 0
        async with self._database.tenant_session(first.tenant_id) as session:
            account = await connections.open_account(session, self._vault, first.connection_id)
        people = self._people.get(account.kind)
        if people is None or not account.is_active:
            await self._put_off(contacts, LATER)
            return 0
        for place, contact in enumerate(contacts):
            async with self._database.tenant_session(contact.tenant_id) as session:
                person = await naming.person(session, contact.contact_id)
            if person is None:
                continue
            try:
                name = await people.called(account, person)
            except ChannelRefused as error:
                if error.code in OF_THE_CONNECTION or isinstance(error, ConnectionDead):
                    log.info("names_not_told", connection_id=str(contact.connection_id), code=error.code)
                    await self._put_off(contacts[place:], LATER)
                    return learnt
                name = ""
            except ChannelError:
                await self._put_off(contacts[place:], SOON)
                return learnt
            await self._learn(contact, name)
            learnt += bool(name)
        return learnt

    async def _learn(self, contact: Due, name: str) -> None:
        async with self._database.tenant_session(contact.tenant_id) as session:
            cipher = (await self._vault.ciphers(session, [contact.contact_id])).get(contact.contact_id)
            if cipher is not None:
                await naming.learn(session, self._vault, contact.tenant_id, cipher, name)

    async def _put_off(self, contacts: Sequence[Due], delay: timedelta) -> None:
        async with self._database.tenant_session(contacts[0].tenant_id) as session:
            await naming.put_off(session, [each.contact_id for each in contacts], delay)
