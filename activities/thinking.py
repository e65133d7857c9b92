"""Thinking: from the messages of a turn to an answer that is ready to be sent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities import rehearsing
from activities.begun import Answered, Begun, to_use_tools
from activities.escalating import HELD_BACK, Escalating, Judge, Watch
from activities.heartbeat import heartbeat
from activities.hours import away
from activities.librarian import Librarian
from activities.locating import Locator
from activities.looking import Looking
from activities.recalling import Recalling
from activities.resting import left_to_people
from activities.scoping import Scoping
from activities.status import thinking_shown
from activities.streaming import Live, Streaming
from activities.trying import Attempt, Suspect, Trying
from activities.unpaid import Unpaid, put_off
from konstruct import approvals, audit, conversations, models, notices, poison, prompting, usage, window, withdrawing
from konstruct.budgets import holding
from konstruct.contracts.conversation import (
    AbandonRequest,
    AdmitRequest,
    Admitted,
    ThinkRequest,
    Thought,
)
from konstruct.contracts.handoffs import OwnerState
from konstruct.conversations import HandedOff, Turn
from konstruct.db import Database
from konstruct.employees import Caps
from konstruct.errors import ModelsUnavailable, OverBudget
from konstruct.file_ports import FileStore
from konstruct.files import keeping
from konstruct.knowledge.citing import Source, cite
from konstruct.memory import Recalled
from konstruct.model_keys import keeping as model_keys
from konstruct.models import ModelCall
from konstruct.ports import ChatMessage, ChatModel, Cooldowns, Embedders, Messenger, ModelLink, Windows
from konstruct.settings import Settings
from konstruct.streaming import NO_STREAMERS, Streamer
from konstruct.tools import calls as calls_
from konstruct.tools import proposing, registry, sending
from konstruct.vault import Vault

MODELS_DOWN = "Sorry, I cannot answer right now because of a technical problem. I will answer here as soon as I can."
CANNOT_GO_ON = (
    "I could not finish this: I tried what I can and got no further. Please tell me if a person should look at it."
)

WITHDRAWN_BY = {
    "stopped": "the person who asked for it and stopped it",
    "failed": "the system, after a day of failures",
}

log = structlog.get_logger(__name__)


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
        streamers: Mapping[str, Streamer] = NO_STREAMERS,
        files: FileStore | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._model = model
        self._cooldowns = cooldowns
        self._messengers = messengers
        self._windows = windows
        locator = Locator(embedders, cooldowns)
        self._recalling = Recalling(database, vault, locator)
        self._librarian = Librarian(database, locator)
        self._scoping = Scoping(locator)
        self._looking = Looking(database, vault, files)
        self._streaming = Streaming(database, vault, streamers)
        self._escalating = Escalating(database, vault, model, cooldowns)
        self._unpaid = Unpaid(settings, database, vault)
        self._trying = Trying(database, vault)

    @activity.defn(name="think")
    async def think(self, request: ThinkRequest) -> Thought:
        # From the first wait on: an attempt that waits too long for the database would else be taken for dead.
        async with heartbeat():
            return await self._trying.think(request, lambda attempt: self._think(request, attempt))

    async def _think(self, request: ThinkRequest, attempt: Attempt) -> Thought:
        begun = await self._begin(request, attempt)
        if isinstance(begun, Thought):
            await self._streaming.end_without_answer(request, begun)
            return begun
        if (known := away(request, begun) or await self._scoping.turn_down(request, begun)) is not None:
            thought = await self._store(request, begun, [], known, [])
            attempt.come_to()
            return replace(thought, showed_status=activity.info().attempt > 1)
        turn = begun.turn
        calls: list[ModelCall] = []
        try:
            async with self._streaming.live(request, turn, begun.steps, may_stream=begun.may_stream) as live:
                async with (
                    thinking_shown(self._messengers[turn.account.kind], turn.account, turn.thread) as status,
                    self._escalating.beside(request, turn, begun.watch, begun.purse) as judge,
                ):
                    recalled = await self._recalling.recall(request, turn)
                    answer, watch = await self._answer(request, begun, recalled, calls, judge, live)
                begun = replace(begun, watch=rehearsing.noted(begun, watch))
                thought = await self._store(request, begun, recalled, answer, calls)
                attempt.come_to()
                if thought.decision == "tools":
                    await live.use_tools([call.name for call in answer.calls if call.name in begun.toolbox])
        except BaseException as error:
            # What a call cost is kept all the same, whether it failed, was cancelled or its answer could not be stored.
            async with self._database.tenant_session(request.tenant_id) as session:
                problem = str(error) if isinstance(error, ModelsUnavailable) else rehearsing.BROKEN_OFF
                await rehearsing.keep(session, self._vault, request, begun, problem=problem)
                usage.record(session, turn.employee, request.conversation_id, request.turn_id, calls)
            raise
        await self._streaming.end_without_answer(request, thought)
        return replace(thought, showed_status=status.is_shown or activity.info().attempt > 1)

    async def _begin(self, request: ThinkRequest, attempt: Attempt) -> Begun | Thought:
        where = (request.tenant_id, request.conversation_id)
        copy = await self._windows.get(*where)
        cached = window.load(copy) if copy is not None else None
        async with self._database.tenant_session(request.tenant_id) as session:
            turn = await conversations.begin_turn(
                *(session, self._vault, request.conversation_id, request.turn_id, cached),
                counts=not attempt.is_counted,
            )
            if isinstance(turn, HandedOff):
                return Thought("handed_off", ownership=OwnerState(turn.owner, turn.epoch, turn.handoff_id))
            if isinstance(turn, list):
                # Stored by an attempt that died: it may have shown a status that nobody ended.
                is_repeated = bool(turn) or activity.info().attempt > 1
                return Thought("reply" if turn else "nothing", turn, showed_status=is_repeated, is_repeated=bool(turn))
            if turn.tries > poison.ALONE_FROM and not attempt.is_counted:
                raise Suspect
            begun = await self._entered(session, request, turn)
            if isinstance(begun, Thought):
                await poison.uncount(session, request.conversation_id, turn.asked_seqs)
        attempt.come_to(() if isinstance(begun, Thought) else turn.asked_seqs)
        if isinstance(begun, Thought):
            return begun
        if turn.window is not None and (copy := window.dump(turn.window)) is not None:
            await self._windows.put(*where, copy)
        return replace(begun, pictures=await self._looking.look(request.tenant_id, turn))

    async def _entered(self, session: AsyncSession, request: ThinkRequest, turn: Turn) -> Begun | Thought:
        """What needs no model is done at once."""
        if request.step or activity.info().attempt > 1:
            kept = await calls_.stored_step(session, request.turn_id, request.step)
            if kept is not None:
                return to_use_tools(kept)
        if turn.awaits_files and not request.without_files:
            return Thought("files")
        if turn.awaits_files:
            await keeping.give_up(session, request.conversation_id)
        await withdrawing.end_before(session, turn, request.turn_id)
        begun = await self._prepare(session, request, turn)
        if begun.watch.fired is not None:
            await self._escalating.keep(session, request, begun.watch)
            await rehearsing.keep(session, self._vault, request, begun)
            return await self._escalating.hand_off(session, request, turn, begun.watch.fired)
        return await left_to_people(session, request, begun) or begun

    async def _prepare(self, session: AsyncSession, request: ThinkRequest, turn: Turn) -> Begun:
        toolbox = await registry.toolbox(session, turn.employee) if turn.employee.tools else {}
        steps = await calls_.of_turn(session, self._vault, request.turn_id) if request.step else []
        names = turn.employee.models or turn.tenant_models
        chain = await model_keys.chain(session, self._vault, names, self._settings)
        watch = await self._escalating.watch(session, request, turn, steps, chain)
        has_note = any(said.author == "system" and said.seq in turn.asked_seqs for said in turn.said)
        released = await approvals.released_answers(session, self._vault, request.turn_id) if has_note else []
        may_call = bool(toolbox)
        if request.step:
            caps, spent = Caps.of(turn.employee), await usage.spent(session, request.turn_id)
            may_call &= request.step < caps.steps and spent < caps.cost and not proposing.is_stuck(steps)
        watch, seen = rehearsing.watched(turn, watch, steps), rehearsing.begin(turn, request)
        purse = holding.purse(self._database, request.tenant_id, turn.employee.employee_id, turn.budgets)
        return Begun(turn, toolbox, watch, chain, steps, may_call, released, seen=seen, purse=purse)

    async def _store(
        self,
        request: ThinkRequest,
        begun: Begun,
        recalled: Sequence[Recalled],
        answer: Answered,
        calls: list[ModelCall],
    ) -> Thought:
        async with self._database.tenant_session(request.tenant_id) as session:
            is_untrusted = await self._is_untrusted(session, request, begun.turn, recalled)
            if answer.calls and begun.may_call and not begun.watch.hands_off:
                thought = await self._keep_step(session, request, begun, answer, is_untrusted=is_untrusted)
                outcome = "turn.used_tools" if thought.decision == "tools" else "turn.superseded"
            else:
                thought, outcome = await self._finish(session, request, begun, answer)
            turn = begun.turn
            await poison.uncount(session, request.conversation_id, turn.asked_seqs)
            if outcome not in ("turn.superseded", "turn.put_off"):
                await self._escalating.keep(session, request, begun.watch)
            await rehearsing.keep(session, self._vault, request, begun, recalled, answer)
            usage.record(session, turn.employee, request.conversation_id, request.turn_id, calls)
            why: dict[str, Any] = {"kind": answer.turned_down.why} if answer.turned_down else {}
            audit.record(
                session,
                tenant_id=request.tenant_id,
                conversation_id=request.conversation_id,
                actor="employee",
                action=outcome,
                subject_id=turn.asker,
                turn_id=str(request.turn_id),
                step=request.step,
                employee_version=turn.employee.number,
                model=answer.link_name,
                recalled=[str(memory.memory_id) for memory in recalled],
                passed_over=[
                    f"{call.link_name}: {call.error_kind or call.outcome}" for call in calls if call.outcome != "ok"
                ],
                **why,
            )
        return thought

    async def _finish(
        self, session: AsyncSession, request: ThinkRequest, begun: Begun, answer: Answered
    ) -> tuple[Thought, str]:
        """Gives what the trail calls it, too."""
        turn, fired = begun.turn, begun.watch.fired
        where = (session, self._vault, request.conversation_id, request.turn_id)
        texts = [*begun.released, HELD_BACK if begun.watch.holds_back else answer.text]
        parts = [part for text in texts if text for part in self._messengers[turn.account.kind].split(text)]
        # Without parts it only finds out whether the turn is still this one.
        stored = [] if begun.watch.hands_off or begun.watch.holds_back or answer.is_put_off else parts
        finished = await conversations.finish_turn(*where, stored, step=request.step, through_seq=turn.asked_seqs[-1])
        await self._streaming.take_over(session, request, finished, parts, answer.shown)
        if finished.outcome != "stored":
            decision = finished.outcome if finished.outcome != "stored_before" else "reply"
            return Thought(decision, finished.reply_ids), "turn.superseded"
        if answer.is_put_off:
            return await put_off(session, request, turn), "turn.put_off"
        is_foreign = answer.turned_down is not None
        await self._scoping.offer_person(session, request.conversation_id, turn, finished.reply_ids, always=is_foreign)
        reply_ids = finished.reply_ids
        if stored and not is_foreign:
            reply_ids = [*reply_ids, *await sending.take_along(*where, begun.steps)]
        if fired is None:
            outcome = "turn.out_of_scope" if is_foreign else "turn.away" if answer.is_away else "turn.answered"
            return Thought("reply", reply_ids), outcome
        if begun.watch.hands_off:
            return await self._escalating.hand_off(session, request, turn, fired), "turn.handed_off"
        if begun.watch.holds_back:
            asked = await self._escalating.hold_back(session, request, turn, fired, answer.text, answer.link_name)
            told = await conversations.finish_turn(*where, parts)
            await self._streaming.take_over(session, request, told, parts, None)
            return Thought("reply", told.reply_ids, approvals=asked), "turn.held_back"
        handoff_id = await self._escalating.tell(session, request, turn.asker, fired)
        return Thought("reply", reply_ids, told_handoff_id=handoff_id), "turn.answered"

    async def _is_untrusted(
        self, session: AsyncSession, request: ThinkRequest, turn: Turn, recalled: Sequence[Recalled]
    ) -> bool:
        """What was recalled taints the whole conversation: its later turns read what was answered from it."""
        if turn.is_untrusted:
            return True
        is_untrusted = await conversations.is_untrusted(session, [each.message_id for each in recalled])
        if is_untrusted:
            await conversations.mark_untrusted(session, request.conversation_id)
        return is_untrusted

    async def _keep_step(
        self, session: AsyncSession, request: ThinkRequest, begun: Begun, answer: Answered, *, is_untrusted: bool
    ) -> Thought:
        asking = await approvals.settings(session)
        proposals = proposing.propose(answer.calls, begun.toolbox, begun.steps, is_untrusted=is_untrusted)
        kept = await calls_.keep_step(
            session,
            self._vault,
            request.conversation_id,
            request.turn_id,
            request.step,
            text=answer.text,
            link=answer.link_name,
            after_seq=begun.turn.asked_seqs[-1],
            proposals=rehearsing.unasked(begun, proposals),
            expires_after=asking.expires_after,
        )
        return to_use_tools(kept)

    async def _answer(
        self,
        request: ThinkRequest,
        begun: Begun,
        recalled: Sequence[Recalled],
        calls: list[ModelCall],
        judge: Judge,
        live: Live,
    ) -> tuple[Answered, Watch]:
        if begun.released and not begun.turn.asked:
            return Answered("", ""), begun.watch

        async def ask(begun: Begun) -> Answered:
            return await self._ask(
                begun, recalled, await self._librarian.beforehand(request.conversation_id, begun), calls, live
            )

        try:
            answer = await ask(begun)
        except ModelsUnavailable as error:
            # People can come all the same, where a rule says so.
            watch = await judge(None, calls)
            if watch.hands_off:
                return Answered("", ""), watch
            if not isinstance(error, OverBudget):
                raise
            answer, watch = await self._unpaid.instead(request, begun, watch, ask)
            if watch.hands_off or answer.is_put_off:
                return answer, watch
        return answer, await judge(None if answer.calls else answer.text, calls)

    async def _ask(
        self,
        begun: Begun,
        recalled: Sequence[Recalled],
        passages: Sequence[Source],
        calls: list[ModelCall],
        live: Live,
    ) -> Answered:
        specs = [tool.spec for tool in begun.toolbox.values()]

        def prompt(link: ModelLink) -> Sequence[ChatMessage]:
            made = prompting.prompt(
                *(begun.turn, recalled, begun.steps, passages, link),
                has_tools=bool(specs),
                may_call=begun.may_call,
                pictures=begun.pictures,
            )
            return rehearsing.prompted(begun, link, made, specs, passages)

        answer = await models.ask(
            self._model,
            # Where there is something to look at, those that can come first.
            sorted(begun.chain, key=lambda link: bool(begun.pictures) and not link.sees_images),
            prompt,
            self._cooldowns,
            calls.append,
            self._settings.turn_budget_seconds,
            tools=specs,
            may_call=begun.may_call,
            hear=live.hear,
            purse=begun.purse,
        )
        shown = await live.finish()
        if answer.tool_calls and begun.may_call:
            return Answered(answer.text, answer.link_name, answer.tool_calls)
        text = answer.text or CANNOT_GO_ON
        # Of two with one number, the model saw that of its own search.
        return Answered(cite(text, [*passages, *begun.sources()]), answer.link_name, shown=shown)

    @activity.defn(name="admit")
    async def admit(self, request: AdmitRequest) -> Admitted:
        """Tells the contact honestly that the answer has to wait."""
        log.warning("turn_delayed", conversation_id=str(request.conversation_id), reason=request.reason)
        async with self._database.tenant_session(request.tenant_id) as session:
            notice_id = await notices.add_notice(session, request.conversation_id, request.turn_id, MODELS_DOWN)
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
            over = await withdrawing.abandon(session, request.conversation_id, request.message_ids, request.why)
            for turn_id in over:
                await withdrawing.cancel_turn(session, turn_id, by=WITHDRAWN_BY[request.why])
            found = await conversations.whereabouts(session, self._vault, request.conversation_id)
        await self._streaming.end_cut(request.tenant_id, request.conversation_id)
        await self._messengers[found.account.kind].show_idle(found.account, found.thread)
