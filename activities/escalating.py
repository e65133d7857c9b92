"""Escalation in a turn: what its rules look at, the judge beside the answer, and what is done where one fires."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import takewhile
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import approvals, audit, models, usage
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.contracts.handoffs import OwnerState
from konstruct.conversations import Turn
from konstruct.db import Database
from konstruct.errors import ModelsUnavailable
from konstruct.escalation import firing, judgements, judging, rules
from konstruct.escalation.facts import Facts, as_named
from konstruct.escalation.firing import Fired
from konstruct.escalation.judging import Judgement
from konstruct.escalation.rules import Action, HandOff, Rule
from konstruct.escalation.wishes import asks_for_human
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Wish
from konstruct.models import ModelCall
from konstruct.ports import ChatModel, Cooldowns, ModelLink, Purse
from konstruct.rehearsals import pretending
from konstruct.tools import calls as calls_
from konstruct.tools import registry
from konstruct.tools.builtin import SEND_REPLY
from konstruct.tools.calls import PastStep, Proposal
from konstruct.tools.schemas import canonical
from konstruct.vault import Vault

JUDGE_SECONDS: Final = 15.0
"""The contact waits no longer than this for a judge; words decide then."""
LONGEST_JUDGEMENT: Final = 1_024
"""Tokens; a judgement has about a hundred, and what a model thinks beforehand counts, too."""

_PERSON: Final = Fired("asked-for-a-person", Action(hand_off=HandOff()), ("The contact asked for a person.",))
"""What fires without a rule."""

HELD_BACK: Final = "I have written an answer to this. A person of the team reads it before it is sent to you."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Watch:
    """What the rules look at in one turn, as far as it is known. Where there are none it costs nothing."""

    rules: tuple[Rule, ...] = ()
    facts: Facts = field(default_factory=Facts)
    """Without what a judge says."""
    judgement: Judgement | None = None
    """None until a judge has read what the contact wrote."""
    links: tuple[ModelLink, ...] = ()
    """Models that can judge, where a rule needs one."""
    fired: Fired | None = None

    @property
    def hands_off(self) -> bool:
        return self.fired is not None and self.fired.action.hand_off is not None

    @property
    def holds_back(self) -> bool:
        return self.fired is not None and self.fired.action.ask_approval is not None

    @property
    def judges_answer(self) -> bool:
        """Whether it may come to it that an answer is not said."""
        return firing.judges_answer(self.rules) or any(rule.then.ask_approval is not None for rule in self.rules)

    @property
    def words(self) -> str:
        return "\n".join(self.facts.texts)

    def fires(self, judgement: Judgement, cost: Decimal = Decimal(0)) -> "Watch":
        """``cost``: US dollars that no row says yet."""
        known = judging.known_with(replace(self.facts, cost=self.facts.cost + cost), judgement)
        return replace(self, judgement=judgement, fired=firing.firing(self.rules, known))


Judge = Callable[[str | None, Sequence[ModelCall]], Awaitable[Watch]]
"""Of the answer that is not sent yet, if it is there, and the calls that were made for it."""


class Escalating:
    def __init__(self, database: Database, vault: Vault, model: ChatModel, cooldowns: Cooldowns) -> None:
        self._database = database
        self._vault = vault
        self._model = model
        self._cooldowns = cooldowns

    async def watch(
        self,
        session: AsyncSession,
        request: ThinkRequest,
        turn: Turn,
        steps: Sequence[PastStep],
        chain: Sequence[ModelLink],
    ) -> Watch:
        """It has fired already where people are to have the conversation, whatever a judge would say."""
        wanted = rules.read(turn.employee.escalation)
        if not wanted and not turn.account.functions:
            return Watch()
        asked = set(turn.asked_seqs)
        texts = tuple(said.text for said in turn.said if said.seq in asked and said.author == "contact")
        if not wanted:
            return _with_person(turn, Watch(facts=Facts(texts, asked_for_human=any(map(asks_for_human, texts)))))
        counted = await judgements.counted(session, request.conversation_id, request.turn_id)
        watch = Watch(
            tuple(rule for rule in wanted if _is_looked_at(rule, texts, counted.told)),
            Facts(
                texts,
                asked_for_human=any(map(asks_for_human, texts)),
                failed_attempts=counted.failed,
                turns=counted.turns + 1,
                failed_tools=as_named(
                    wanted, (call.name for step in steps for call in step.calls if call.state in ("failed", "unknown"))
                ),
                cost=counted.cost,
            ),
        )
        if firing.needs_judge(watch.rules):
            watch = replace(watch, links=tuple(link for link in chain if link.provider != "local"))
        if not (watch.links and texts and firing.judges_words(watch.rules)):
            watch = replace(watch, judgement=judging.judged_by_rule(watch.words))
        elif steps and turn.asked_seqs[-1] <= steps[-1].after_seq:
            # Nothing was said since an earlier step, with which it was judged.
            stored = await judgements.of_turn(session, request.turn_id)
            watch = replace(watch, judgement=stored and replace(stored, outside_policy=False, confidence=None))
        return _with_person(turn, _fired_at_once(watch))

    @asynccontextmanager
    async def beside(
        self, request: ThinkRequest, turn: Turn, watch: Watch, purse: Purse | None
    ) -> AsyncIterator[Judge]:
        """The judge reads what was asked while the answer is thought of; where it is to read the answer, too, both at
        once afterwards. It is done without where ``purse`` does not hold enough."""
        calls: list[ModelCall] = []
        of_answer = bool(watch.links) and firing.judges_answer(watch.rules)
        reading = None
        if watch.links and watch.judgement is None and not of_answer:
            reading = asyncio.create_task(self._judge(request, turn, watch, None, calls, purse))

        async def judge(draft: str | None, made: Sequence[ModelCall]) -> Watch:
            found = None
            if reading is not None:
                found = await reading
            elif watch.links and (watch.judgement is None or (draft is not None and of_answer)):
                found = await self._judge(request, turn, watch, draft, calls, purse)
            return watch.fires(
                _known(watch, found), sum((call.cost or Decimal(0) for call in (*made, *calls)), Decimal(0))
            )

        try:
            yield judge
        finally:
            if reading is not None:
                reading.cancel()
                # To its end, so that what it cost is known.
                await asyncio.wait([reading])

    async def _judge(
        self,
        request: ThinkRequest,
        turn: Turn,
        watch: Watch,
        draft: str | None,
        calls: list[ModelCall],
        purse: Purse | None,
    ) -> Judgement | None:
        """None where no judge can be understood."""
        topics = rules.topics(watch.rules)
        prompt = judging.judge_prompt(
            turn.employee.name, turn.tenant_name, turn.employee.system_prompt, _lines(turn), topics, draft
        )
        # What it may cost stands in the way of the answer's own call where little is left of a budget.
        links = [
            replace(link, max_output_tokens=min(link.max_output_tokens, LONGEST_JUDGEMENT)) for link in watch.links
        ]
        made: list[ModelCall] = []
        try:
            answer = await models.ask(
                self._model, links, lambda _: prompt, self._cooldowns, made.append, JUDGE_SECONDS, purse=purse
            )
        except ModelsUnavailable:
            found = None
        else:
            found = judging.read_judgement(answer.text, topics)
        finally:
            calls += made
            # At once, so that what is held for it is free again while the answer is thought of.
            async with self._database.tenant_session(request.tenant_id) as session:
                usage.record(session, turn.employee, request.conversation_id, request.turn_id, made, "judge")
        if found is None:
            log.warning("not_judged", conversation_id=str(request.conversation_id))
        return found

    async def keep(self, session: AsyncSession, request: ThinkRequest, watch: Watch) -> None:
        """What was judged, for the turns that count it."""
        if not watch.rules:
            return
        judged = _known(watch, None)
        judged = replace(judged, asked_for_human=judged.asked_for_human or watch.facts.asked_for_human)
        await judgements.keep(session, request.tenant_id, request.conversation_id, request.turn_id, judged)

    async def hand_off(self, session: AsyncSession, request: ThinkRequest, turn: Turn, fired: Fired) -> Thought:
        """People get the conversation. Its turn must be found to be this one, in the same transaction."""
        _record(session, request, turn.asker, fired, "hand_off")
        if turn.rehearsal is not None:
            return Thought("reply", [await pretending.hand_off(session, request.conversation_id, request.turn_id)])
        owned = await owning.hand_off(session, self._vault, request.conversation_id, _wish(fired))
        return Thought("handed_off", ownership=OwnerState(owned.owner, owned.epoch, owned.handoff_id, owned.agent))

    async def tell(self, session: AsyncSession, request: ThinkRequest, asker: UUID | None, fired: Fired) -> UUID | None:
        """People are told, and the answer is sent all the same."""
        _record(session, request, asker, fired, "tell")
        return await owning.tell(session, self._vault, request.conversation_id, _wish(fired))

    async def hold_back(
        self, session: AsyncSession, request: ThinkRequest, turn: Turn, fired: Fired, answer: str, link: str
    ) -> list[UUID]:
        """People are asked whether this answer may be sent: the approvals that they are asked for. Its turn must be
        found to be this one, in the same transaction."""
        _record(session, request, turn.asker, fired, "ask_approval")
        reply = Proposal(
            SEND_REPLY,
            SEND_REPLY,
            canonical({"text": answer}),
            "waiting",
            registry.sending_reply(),
            why=" ".join(fired.why),
        )
        kept = await calls_.keep_step(
            session,
            self._vault,
            request.conversation_id,
            request.turn_id,
            request.step,
            text="",
            link=link,
            after_seq=turn.asked_seqs[-1],
            proposals=[reply],
            expires_after=(await approvals.settings(session)).expires_after,
        )
        return kept.approvals


def _is_looked_at(rule: Rule, texts: Sequence[str], told: frozenset[str]) -> bool:
    """People are told once, and what comes after in the list is looked at then. A turn that a note began, in which the
    contact wrote nothing, is never handed off: the note may be that people handed it back."""
    return bool(texts) if rule.then.hand_off else not (rule.then.tell and rule.name in told)


def _known(watch: Watch, found: Judgement | None) -> Judgement:
    """``found``: what a judge says now. Without one, what was known before holds, or words decide."""
    before = watch.judgement or judging.judged_by_rule(watch.words)
    if found is None:
        return before
    if not watch.facts.texts:
        # What was said in earlier turns was judged in them.
        return replace(before, outside_policy=found.outside_policy, confidence=found.confidence)
    return found


def _fired_at_once(watch: Watch) -> Watch:
    """An earlier rule may yet fire when a judge was asked; then the order of the rules decides."""
    found = watch.fires(watch.judgement or Judgement())
    if found.fired is None or not found.hands_off:
        return watch
    rule = found.fired.rule
    earlier = list(takewhile(lambda each: each.name != rule, watch.rules))
    waits_for_words = watch.judgement is None and firing.judges_words(earlier)
    waits_for_answer = bool(watch.links) and firing.judges_answer(earlier)
    return watch if waits_for_words or waits_for_answer else replace(watch, fired=found.fired)


def _with_person(turn: Turn, watch: Watch) -> Watch:
    """Where the connection is for certain things alone, a person can always be had: with a rule that says so, by what
    words alone tell, or without one."""
    if watch.fired is not None or not (turn.account.functions and watch.facts.asked_for_human):
        return watch
    bringing = replace(watch, rules=tuple(rule for rule in watch.rules if rule.then.hand_off))
    found = bringing.fires(watch.judgement or judging.judged_by_rule(watch.words))
    return replace(watch, fired=found.fired or _PERSON)


def _lines(turn: Turn) -> list[tuple[str, str]]:
    """Since people last had a part in it: what they dealt with is not to be judged again."""
    lines: list[tuple[str, str]] = []
    for said in turn.said:
        lines = [] if said.author in ("agent", "system") else [*lines, (said.author, said.text)]
    return lines


def _wish(fired: Fired) -> Wish:
    reason = " ".join(fired.why)
    if (wanted := fired.action.hand_off) is not None:
        return Wish("rule", "employee", reason, fired.rule, wanted.to, wanted.priority)
    return Wish("rule", "employee", reason, fired.rule, fired.action.tell.to if fired.action.tell else None)


def _record(session: AsyncSession, request: ThinkRequest, asker: UUID | None, fired: Fired, action: str) -> None:
    audit.record(
        session,
        tenant_id=request.tenant_id,
        conversation_id=request.conversation_id,
        actor="employee",
        action="rule.fired",
        subject_id=asker,
        turn_id=str(request.turn_id),
        step=request.step,
        rule=fired.rule,
        then=action,
    )
