"""Around each attempt to think: it is counted as long as nobody knows how it ended, and what fails too often is set
aside.

The first attempt at something is counted by the statement that claims it, which costs nothing. Whoever comes after one
that did not end well counts itself beforehand.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from temporalio import activity

from konstruct import poison
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.contracts.handoffs import OwnerState
from konstruct.db import Database
from konstruct.errors import KonstructError, Unavailable
from konstruct.vault import Vault

log = structlog.get_logger(__name__)


@dataclass
class Attempt:
    """One attempt at what waits for an answer, and how far it has come."""

    is_counted: bool = False
    """Beforehand, and not by whoever claims."""
    seqs: tuple[int, ...] = ()
    """Of the messages for which it counts, until it is known how it ends."""
    is_over: bool = False
    """What it came to is kept."""

    def come_to(self, seqs: tuple[int, ...] = ()) -> None:
        """Something is kept of it: what it is counted for now, which is nothing once it is over."""
        self.seqs, self.is_over = seqs, not seqs


class Suspect(Exception):
    """What was just claimed has failed too often to be tried beside others. Nothing is kept of the claim."""


Think = Callable[[Attempt], Awaitable[Thought]]


class Trying:
    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        # By itself within this process: in others it does no harm to anybody here.
        self._alone = asyncio.Lock()

    async def think(self, request: ThinkRequest, think: Think) -> Thought:
        if activity.info().attempt == 1:
            try:
                return await self._try(request, think, Attempt())
            except Suspect:
                log.info("turn_suspected", conversation_id=str(request.conversation_id))
        if await self._tries(request) < poison.ALONE_FROM:
            return await self._try(request, think, await self._counted(request))
        async with self._alone:
            if await self._tries(request) >= poison.MOST_TRIES:
                set_aside = await self._set_aside(request)
                if set_aside is not None:
                    return set_aside
            return await self._try(request, think, await self._counted(request))

    async def _tries(self, request: ThinkRequest) -> int:
        async with self._database.tenant_session(request.tenant_id) as session:
            return await poison.most_tries(session, request.conversation_id)

    async def _counted(self, request: ThinkRequest) -> Attempt:
        async with self._database.tenant_session(request.tenant_id) as session:
            return Attempt(is_counted=True, seqs=await poison.count(session, request.conversation_id))

    async def _try(self, request: ThinkRequest, think: Think, attempt: Attempt) -> Thought:
        try:
            return await think(attempt)
        except Suspect:
            raise
        except BaseException as error:
            if not attempt.is_over:
                await self._note_end(request, attempt, error)
            raise

    async def _note_end(self, request: ThinkRequest, attempt: Attempt, error: BaseException) -> None:
        """What was foreseen is taken off again; what was not stays, with its name."""
        is_foreseen = isinstance(error, (KonstructError, asyncio.CancelledError))
        trouble = type(error).__name__
        try:
            async with self._database.tenant_session(request.tenant_id) as session:
                if is_foreseen:
                    await poison.uncount(session, request.conversation_id, attempt.seqs)
                elif attempt.seqs:
                    await poison.note(session, request.conversation_id, attempt.seqs, trouble)
                else:
                    await poison.count(session, request.conversation_id, trouble)
        except Unavailable:
            # An attempt too many counts against it; how the attempt itself ended is what is to be told.
            log.warning("attempt_not_noted", conversation_id=str(request.conversation_id), trouble=trouble)

    async def _set_aside(self, request: ThinkRequest) -> Thought | None:
        """None where there is nothing of the kind any more, as after people took the conversation."""
        where = (request.conversation_id, request.turn_id)
        async with self._database.tenant_session(request.tenant_id) as session:
            found = await poison.set_aside(session, self._vault, *where)
        if found is None:
            return None
        log.error("message_quarantined", tenant_id=str(request.tenant_id), conversation_id=str(where[0]))
        if found.ownership is None:
            return Thought("reply", [found.notice_id])
        owned = found.ownership
        ownership = OwnerState(owned.owner, owned.epoch, owned.handoff_id, owned.agent)
        return Thought("handed_off", [found.notice_id], showed_status=True, ownership=ownership)
