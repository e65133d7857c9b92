"""Remembering: after a reply, what was said becomes memory, facts and a summary, in steps that can be redone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.embedding import Kind, embed_waiting
from activities.heartbeat import heartbeat
from konstruct import audit, memory, models, usage
from konstruct.budgets import holding
from konstruct.contracts.memory import Embedded, MemoryWork, RememberRequest
from konstruct.db import Database
from konstruct.errors import KonstructError, ModelsUnavailable, OverBudget
from konstruct.memory import Question, digest, due, work
from konstruct.memory.digest import Findings, Labelled, Said, Unreadable
from konstruct.memory.due import Work
from konstruct.model_keys import keeping as model_keys
from konstruct.models import ModelCall
from konstruct.ports import ChatMessage, ChatModel, Cooldowns, Embedders, ModelLink
from konstruct.settings import Settings
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

AT_MOST: Final = 100
"""Conversations that one run takes on; the next run goes on."""
BUDGET_SECONDS: Final = 60.0
"""For one question to the models; nobody waits for the answer."""
EARLIER: Final = 20
"""Earlier sayings that are shown where facts are looked for, so that what is to be forgotten can be named."""
LONGEST_QUESTION: Final = 2_000
"""Characters of what was said that earlier sayings are looked for with."""
CONTACTS_AT_ONCE: Final = 4
"""Of one conversation, for whom a model is asked at the same time."""
MODELS_DOWN_FOR: Final = timedelta(minutes=1)
"""After this the models are asked again."""
UNPAID_FOR: Final = timedelta(hours=1)
"""After this they are, where no budget was left for them. Meanwhile what was said is kept, and found by its words."""

log = structlog.get_logger(__name__)


class Unhurried:
    """Leaves alone what is cooling, and cools nothing: no reply must do without a model because memory had no luck."""

    def __init__(self, cooldowns: Cooldowns) -> None:
        self._cooldowns = cooldowns

    async def cooling(self, keys: Sequence[str]) -> set[str]:
        cooling = await self._cooldowns.cooling(keys)
        if keys and cooling >= set(keys):
            raise ModelsUnavailable("All models are cooling, and memory can wait.")
        return cooling

    async def cool(self, key: str, period: timedelta) -> None:
        return None

    async def warm(self, key: str) -> None:
        return None


class Remembering:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        vault: Vault,
        model: ChatModel,
        cooldowns: Cooldowns,
        embedders: Embedders,
    ) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._model = model
        self._cooldowns = Unhurried(cooldowns)
        self._embedders = embedders

    @activity.defn(name="claim_memory_work")
    async def claim_memory_work(self) -> MemoryWork:
        claimed = await due.claim(self._database, AT_MOST)
        return MemoryWork([RememberRequest(each.tenant_id, each.conversation_id) for each in claimed])

    @activity.defn(name="remember")
    async def remember(self, request: RememberRequest) -> None:
        async with heartbeat():
            async with self._database.tenant_session(request.tenant_id) as session:
                is_tried = await due.try_once_more(session, request.conversation_id)
            if not is_tried:
                return
            try:
                await self._remember(request)
            except (KonstructError, asyncio.CancelledError):
                async with self._database.tenant_session(request.tenant_id) as session:
                    await due.uncount(session, request.conversation_id)
                raise

    async def _remember(self, request: RememberRequest) -> None:
        opened = await self._open(request)
        if await self._keep_sayings(opened):
            # Nobody is asked about what was just forgotten.
            opened = await self._open(request)
        is_all, due_at = True, None
        try:
            due_at = await self._learn(opened)
            is_all = await self._summarise(opened)
        except ModelsUnavailable as error:
            log.warning("memory_delayed", conversation_id=str(request.conversation_id), reason=str(error))
            due_at = utc_now() + (UNPAID_FOR if isinstance(error, OverBudget) else MODELS_DOWN_FOR)
        async with self._database.tenant_session(request.tenant_id) as session:
            await due.close_work(session, opened, due_at, is_all=is_all)

    async def _open(self, request: RememberRequest) -> Work:
        async with self._database.tenant_session(request.tenant_id) as session:
            opened = await due.open_work(session, self._vault, request.conversation_id)
            names = opened.employee.models or opened.tenant.models
            return replace(opened, chain=await model_keys.chain(session, self._vault, names, self._settings))

    async def _keep_sayings(self, opened: Work) -> bool:
        """Whether somebody's wish to be forgotten was fulfilled."""
        tenant_id = opened.conversation.tenant_id
        if opened.unremembered:
            async with self._database.tenant_session(tenant_id) as session:
                await work.write_sayings(session, self._vault, opened)
        # A plain wish is fulfilled without a model, and before anybody is asked about what it is to cover.
        wishes = work.asks_to_be_forgotten(opened)
        for contact_id, at in wishes.items():
            async with self._database.tenant_session(tenant_id) as session:
                forgotten = await memory.forget_person(session, contact_id, until=at)
                self._record(session, opened, contact_id, "memory.forgotten", messages=forgotten)
        async with self._database.tenant_session(tenant_id) as session:
            await work.note_remembered(session, opened)
        return bool(wishes)

    def _record(
        self, session: AsyncSession, opened: Work, contact_id: UUID, action: str, **rows: Sequence[UUID]
    ) -> None:
        detail: dict[str, Any] = {name: [str(row) for row in ids] for name, ids in rows.items()}
        audit.record(
            session,
            tenant_id=opened.conversation.tenant_id,
            conversation_id=opened.conversation.id,
            actor="memory",
            action=action,
            subject_id=contact_id,
            **detail,
        )

    async def _learn(self, opened: Work) -> datetime | None:
        """Looks for facts when enough was said, or the conversation has fallen quiet; else says when to come again."""
        said = [each for of_contact in opened.undigested.values() for each in of_contact]
        is_enough = len(said) >= due.DIGEST_LINES
        is_theirs = any(not line.is_answer for line, _ in said)
        if not is_theirs and not is_enough:
            return None
        # Many answers to what was taken back tell nothing, and would be in the way of all that is said later.
        links = self._links(opened) if is_theirs else []
        quiet_at = (opened.last_said_at or utc_now()) + timedelta(seconds=self._settings.memory_quiet_seconds)
        if links and not is_enough and quiet_at > utc_now():
            return quiet_at
        # Only a model that is up to it is asked; without one, what was said is all that is remembered.
        if links:
            some = asyncio.Semaphore(CONTACTS_AT_ONCE)

            async def learn(contact_id: UUID, of_contact: Sequence[Said]) -> None:
                async with some:
                    await self._learn_of(opened, contact_id, of_contact, links)

            await asyncio.gather(*(learn(*each) for each in opened.undigested.items()))
        async with self._database.tenant_session(opened.conversation.tenant_id) as session:
            await work.note_digested(session, opened)
        return None if opened.is_all else utc_now()

    async def _learn_of(self, opened: Work, contact_id: UUID, said: Sequence[Said], links: list[ModelLink]) -> None:
        tenant_id = opened.conversation.tenant_id
        text = "\n".join(text for line, text in said if not line.is_answer)[-LONGEST_QUESTION:]
        question = Question(contact_id, text, conversation_id=opened.conversation.id, after_seq=said[0][0].seq - 1)
        async with self._database.tenant_session(tenant_id) as session:
            known = await due.known_facts(session, self._vault, contact_id)
            earlier = await memory.recall(session, self._vault, tenant_id, question, at_most=EARLIER)
        ids = {fact.memory_id for fact in known}
        known += [each for each in earlier if each.kind == "fact" and each.memory_id not in ids]
        labelled = Labelled.of(known, [each for each in earlier if each.kind == "said"], said)
        findings = await self._find(opened, labelled, links)
        if findings.facts:
            async with self._database.tenant_session(tenant_id) as session:
                facts = await work.write_facts(session, self._vault, opened, contact_id, findings.facts)
                replaced = [replaced for fact in findings.facts for replaced in fact.replaces]
                self._record(session, opened, contact_id, "memory.learned", facts=facts, replaced=replaced)
        if findings.forget_memories or findings.forget_messages:
            async with self._database.tenant_session(tenant_id) as session:
                forgotten = await memory.forget(session, contact_id, findings.forget_memories, findings.forget_messages)
                self._record(session, opened, contact_id, "memory.forgotten", messages=forgotten)

    async def _find(self, opened: Work, labelled: Labelled, links: list[ModelLink]) -> Findings:
        """Nothing, after a second try, when no model answers in the form that it is asked for."""
        prompt = digest.facts_prompt(opened.employee.name, opened.tenant.name, labelled)
        for _ in range(2):
            answer = await self._ask(opened, links, prompt, "facts")
            try:
                return digest.read_findings(answer, labelled)
            except Unreadable as error:
                log.warning("facts_unreadable", conversation_id=str(opened.conversation.id), reason=str(error))
                prompt = [
                    *prompt,
                    ChatMessage("assistant", answer),
                    ChatMessage("user", f"That could not be read: {error} Answer with the JSON object alone."),
                ]
        return Findings()

    async def _summarise(self, opened: Work) -> bool:
        """Whether the window is as small as it is to be."""
        links, budget = self._links(opened), self._window_budget(opened)
        said = work.to_summarise(opened.unsummarised, budget)
        if not said:
            return True
        if links:
            prompt = digest.summary_prompt(opened.employee.name, opened.tenant.name, opened.summary, said)
            summary = await self._ask(opened, links, prompt, "summary")
        else:
            summary = digest.excerpt(opened.summary, said)
        async with self._database.tenant_session(opened.conversation.tenant_id) as session:
            written = await work.write_summary(session, self._vault, opened, said, summary)
            if written:
                audit.record(
                    session,
                    tenant_id=opened.conversation.tenant_id,
                    conversation_id=opened.conversation.id,
                    actor="memory",
                    action="memory.summarised",
                    through=max(line.seq for line, _ in said),
                )
        return not (written and work.to_summarise(opened.unsummarised[len(said) :], budget))

    def _links(self, opened: Work) -> list[ModelLink]:
        return [link for link in opened.chain if link.provider != "local"]

    def _window_budget(self, opened: Work) -> int:
        """Tokens that the window may take of the prompt of the model at hand."""
        rooms = [link.context_window - link.max_output_tokens for link in opened.chain[:1]]
        return min([work.WINDOW_TOKENS, *(max(room, 0) // 2 for room in rooms)])

    async def _ask(
        self, opened: Work, links: list[ModelLink], prompt: Sequence[ChatMessage], purpose: Literal["facts", "summary"]
    ) -> str:
        calls: list[ModelCall] = []
        employee_id = opened.employee.employee_id
        purse = holding.purse(self._database, opened.conversation.tenant_id, employee_id, opened.tenant.budgets)
        try:
            answer = await models.ask(
                self._model, links, lambda _: prompt, self._cooldowns, calls.append, BUDGET_SECONDS, purse=purse
            )
        finally:
            async with self._database.tenant_session(opened.conversation.tenant_id) as session:
                usage.record(session, opened.employee, opened.conversation.id, uuid4(), calls, purpose)
        return answer.text

    @activity.defn(name="embed_memories")
    async def embed_memories(self) -> Embedded:
        """Gives memories their vectors."""
        kind = Kind("memories", memory.without_vector, self._texts, memory.keep_vectors)
        return Embedded(await embed_waiting(self._database, self._embedders, self._settings.embedding_model, kind))

    async def _texts(self, session: AsyncSession, model: str, memory_ids: Sequence[UUID]) -> dict[UUID, str]:
        waiting = await memory.to_embed(session, self._vault, model, memory_ids)
        return {each.memory_id: each.text for each in waiting}
