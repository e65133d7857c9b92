"""Thinking: from the messages of a turn to an answer that is ready to be sent."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct import audit, conversations, employees, memory, models, usage, window
from konstruct.contracts.conversation import AbandonRequest, AdmitRequest, Admitted, ThinkRequest, Thought
from konstruct.conversations import Finished, Turn
from konstruct.db import Database
from konstruct.errors import EmbeddingUnavailable, Unavailable
from konstruct.memory import Question, Recalled
from konstruct.models import Answer, ModelCall
from konstruct.ports import ChatMessage, ChatModel, Cooldowns, Embedders, Messenger, ModelLink, Windows
from konstruct.settings import Settings
from konstruct.vault import Vault

# A reply that comes soon needs no sign that somebody is at work; each sign costs four calls to the channel.
STATUS_AFTER_SECONDS = 0.5

EMBEDDING_SECONDS = 3.0
"""A question that takes longer to embed is looked for by its words alone."""
LONGEST_QUESTION = 4_000
"""Characters of a question that memory is searched with."""
LONGEST_LOCATED = 300
"""Characters of it that are embedded: the built-in model takes a second for the longest that it reads."""
EMBEDDER_COOLS_FOR = timedelta(seconds=30)
"""So long nobody waits for an embedder that failed or hung."""

RECALLED_BY_SMALL_MODELS = 3

MODELS_DOWN = "Sorry, I cannot answer right now because of a technical problem. I will answer here as soon as I can."

log = structlog.get_logger(__name__)


@dataclass
class _Status:
    is_shown: bool = False


class Thinking:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        vault: Vault,
        model: ChatModel,
        cooldowns: Cooldowns,
        messengers: Mapping[str, Messenger],
        windows: Windows,
        embedders: Embedders,
    ) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._model = model
        self._cooldowns = cooldowns
        self._messengers = messengers
        self._windows = windows
        self._embedders = embedders

    @activity.defn(name="think")
    async def think(self, request: ThinkRequest) -> Thought:
        # From the first wait on: an attempt that waits too long for the database would else be taken for dead.
        async with heartbeat():
            return await self._think(request)

    async def _think(self, request: ThinkRequest) -> Thought:
        turn = await self._begin(request)
        if isinstance(turn, list):
            # Stored by an attempt that died: it may have shown a status that nobody ended.
            is_repeated = bool(turn) or activity.info().attempt > 1
            return Thought("reply" if turn else "nothing", turn, showed_status=is_repeated)
        calls: list[ModelCall] = []
        try:
            async with self._status(turn) as status:
                recalled = await self._recall(request, turn) if turn.can_recall else []
                answer = await self._ask(turn, recalled, calls)
            finished = await self._store(request, turn, recalled, answer, calls)
        except BaseException:
            # What a call cost is kept all the same, whether it failed, was cancelled or its answer could not be stored.
            async with self._database.tenant_session(request.tenant_id) as session:
                usage.record(session, turn.employee, request.conversation_id, request.turn_id, calls)
            raise
        showed_status = status.is_shown or activity.info().attempt > 1
        if finished.outcome in ("nothing", "superseded"):
            return Thought(finished.outcome, showed_status=showed_status)
        return Thought("reply", finished.reply_ids, showed_status=showed_status)

    async def _begin(self, request: ThinkRequest) -> Turn | list[UUID]:
        where = (request.tenant_id, request.conversation_id)
        copy = await self._windows.get(*where)
        cached = window.load(copy) if copy is not None else None
        async with self._database.tenant_session(request.tenant_id) as session:
            turn = await conversations.begin_turn(
                session, self._vault, request.conversation_id, request.turn_id, cached
            )
        if isinstance(turn, Turn) and turn.window is not None and (copy := window.dump(turn.window)) is not None:
            await self._windows.put(*where, copy)
        return turn

    async def _recall(self, request: ThinkRequest, turn: Turn) -> list[Recalled]:
        """What is remembered of the asker that bears on this; nothing when that fails, since a reply is worth more."""
        try:
            return await self._recalled(request, turn)
        except Unavailable:
            raise
        except Exception:
            # Not what went wrong, in which there may be what somebody said.
            log.error("recall_failed", conversation_id=str(request.conversation_id))
            return []

    async def _recalled(self, request: ThinkRequest, turn: Turn) -> list[Recalled]:
        """By words alone when no embedder answers in time."""
        if turn.asker is None:
            return []
        asked = turn.asked[:LONGEST_QUESTION]
        async with self._database.tenant_session(request.tenant_id) as session:
            names = await memory.known_models(session, request.tenant_id, turn.asker)
        question = Question(
            contact_id=turn.asker,
            text=asked,
            vectors=await self._located(asked[:LONGEST_LOCATED], names),
            conversation_id=request.conversation_id,
            after_seq=turn.after_seq,
        )
        async with self._database.tenant_session(request.tenant_id) as session:
            return await memory.recall(session, self._vault, request.tenant_id, question)

    async def _located(self, asked: str, names: Sequence[str]) -> dict[str, list[float]]:
        vectors = {}
        keys = {name: f"embedding:{name}" for name in names}
        cooling = await self._cooldowns.cooling(list(keys.values()))
        for name, key in keys.items():
            embedder = self._embedders.get(name)
            if embedder is None or key in cooling:
                continue
            try:
                async with asyncio.timeout(EMBEDDING_SECONDS):
                    [vectors[name]] = await embedder.embed([asked], purpose="query")
            except (EmbeddingUnavailable, TimeoutError) as error:
                log.warning("recall_without_meaning", model=name, reason=type(error).__name__)
                await self._cooldowns.cool(key, EMBEDDER_COOLS_FOR)
        return vectors

    async def _store(
        self, request: ThinkRequest, turn: Turn, recalled: Sequence[Recalled], answer: Answer, calls: list[ModelCall]
    ) -> Finished:
        parts = self._messengers[turn.account.kind].split(answer.text)
        async with self._database.tenant_session(request.tenant_id) as session:
            finished = await conversations.finish_turn(
                session, self._vault, request.conversation_id, request.turn_id, parts
            )
            usage.record(session, turn.employee, request.conversation_id, request.turn_id, calls)
            audit.record(
                session,
                tenant_id=request.tenant_id,
                conversation_id=request.conversation_id,
                actor="employee",
                action="turn.answered" if finished.outcome == "stored" else "turn.superseded",
                subject_id=turn.asker,
                turn_id=str(request.turn_id),
                employee_version=turn.employee.number,
                model=answer.link_name,
                recalled=[str(memory.memory_id) for memory in recalled],
                passed_over=[
                    f"{call.link_name}: {call.error_kind or call.outcome}" for call in calls if call.outcome != "ok"
                ],
            )
        return finished

    async def _ask(self, turn: Turn, recalled: Sequence[Recalled], calls: list[ModelCall]) -> Answer:
        names = turn.employee.models or turn.tenant_models
        return await models.ask(
            self._model,
            models.chain(names, self._settings),
            lambda link: _prompt(turn, recalled, link),
            self._cooldowns,
            calls.append,
            self._settings.turn_budget_seconds,
        )

    @asynccontextmanager
    async def _status(self, turn: Turn) -> AsyncIterator[_Status]:
        """Shows in the channel that somebody is at work, unless the answer is there at once."""
        status = _Status()
        messenger = self._messengers[turn.account.kind]

        async def show() -> None:
            await asyncio.sleep(STATUS_AFTER_SECONDS)
            status.is_shown = True
            await messenger.show_thinking(turn.account, turn.thread)

        showing = asyncio.create_task(show())
        try:
            yield status
        finally:
            if status.is_shown:
                # Not cancelled half-way: a status that arrives after the reply would stay.
                await asyncio.wait([showing])
            else:
                showing.cancel()

    @activity.defn(name="admit")
    async def admit(self, request: AdmitRequest) -> Admitted:
        """Tells the contact honestly that the answer has to wait."""
        log.warning("turn_delayed", conversation_id=str(request.conversation_id), reason=request.reason)
        async with self._database.tenant_session(request.tenant_id) as session:
            notice_id = await conversations.add_notice(session, request.conversation_id, request.turn_id, MODELS_DOWN)
            audit.record(
                session,
                tenant_id=request.tenant_id,
                conversation_id=request.conversation_id,
                actor="runtime",
                action="turn.delayed",
                turn_id=str(request.turn_id),
                reason=request.reason,
            )
        return Admitted([notice_id])

    @activity.defn(name="abandon")
    async def abandon(self, request: AbandonRequest) -> None:
        async with self._database.tenant_session(request.tenant_id) as session:
            await conversations.abandon(session, request.conversation_id, request.message_ids, request.why)
            found = await conversations.whereabouts(session, self._vault, request.conversation_id)
        await self._messengers[found.account.kind].show_idle(found.account, found.thread)


def _prompt(turn: Turn, recalled: Sequence[Recalled], link: ModelLink) -> Sequence[ChatMessage]:
    is_small = link.provider == "local"
    system = employees.system_prompt(
        turn.employee,
        turn.tenant_name,
        short=is_small,
        notes=memory.short_notes(recalled, RECALLED_BY_SMALL_MODELS) if is_small else memory.notes(recalled),
        summary=turn.summary,
    )
    lines = [ChatMessage("user" if said.by_contact else "assistant", said.text) for said in turn.said]
    return [ChatMessage("system", system), *_merged(lines)]


def _merged(lines: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Messages in a row of one author as one, as every provider takes them."""
    merged: list[ChatMessage] = []
    for line in lines:
        if merged and merged[-1].role == line.role:
            merged[-1] = ChatMessage(line.role, f"{merged[-1].content}\n\n{line.content}")
        else:
            merged.append(line)
    return merged
