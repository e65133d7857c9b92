"""Rehearsing: what a turn that tries out a draft notes of itself, and where it goes another way than others."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from activities.begun import Answered, Begun
from activities.escalating import Watch
from konstruct.contracts.conversation import ThinkRequest
from konstruct.conversations import Turn
from konstruct.desk import people
from konstruct.escalation.firing import Fired
from konstruct.escalation.rules import Action, HandOff
from konstruct.knowledge.citing import Source
from konstruct.memory import Recalled
from konstruct.models.context import fit
from konstruct.ports import ChatMessage, ModelLink, ToolSpec
from konstruct.rehearsals import steps
from konstruct.rehearsals.steps import Line, Passage, Remembered, Thought, WouldAsk
from konstruct.tools import policy
from konstruct.tools.builtin import HAND_OFF
from konstruct.tools.calls import PastStep, Proposal
from konstruct.vault import Vault

BROKEN_OFF: Final = "This step was broken off, as when a new message comes in, and thought again."


def begin(turn: Turn, request: ThinkRequest) -> Thought | None:
    """What a step of a rehearsal is noted in; None where a contact is answered."""
    return None if turn.rehearsal is None else Thought(request.step)


def prompted(
    begun: Begun,
    link: ModelLink,
    prompt: Sequence[ChatMessage],
    specs: Sequence[ToolSpec],
    passages: Sequence[Source] = (),
) -> Sequence[ChatMessage]:
    """The prompt as it is, noted as this model gets it."""
    if begun.seen is not None:
        shown = list(specs) if link.calls_tools else []
        sent = fit(prompt, link.context_window, link.max_output_tokens, shown)
        begun.seen.prompts[link.name] = [_line(message) for message in sent]
        begun.seen.tools = [spec.name for spec in shown]
        begun.seen.passages = [] if link.calls_tools else [Passage(s.title, s.text, s.link) for s in passages]
    return prompt


def _line(message: ChatMessage) -> Line:
    pictures = [f"[A picture, {image.media_type}]" for image in message.images]
    calls = [f"{call.name} {call.arguments}" for call in message.tool_calls]
    return Line(message.role, "\n".join(filter(None, [message.content, *pictures])), calls)


def watched(turn: Turn, watch: Watch, past: Sequence[PastStep]) -> Watch:
    """The employee's own wish for people ends the turn of a rehearsal, as their taking over ends that of a contact."""
    if turn.rehearsal is None or watch.fired is not None:
        return watch
    wishes = [call for step in past for call in step.calls if call.name == HAND_OFF and call.state == "done"]
    if not wishes:
        return watch
    reason = str(json.loads(wishes[-1].arguments).get("reason", ""))
    return replace(watch, fired=Fired("", Action(hand_off=HandOff()), (reason,)))


def noted(begun: Begun, watch: Watch) -> Watch:
    """What a rule would have done is noted. Nobody is told, and no answer waits for a person's yes; where people would
    have it, the turn ends all the same."""
    if begun.seen is None:
        return watch
    _note_rules(begun.seen, watch)
    return watch if watch.hands_off else replace(watch, fired=None)


def _note_rules(seen: Thought, watch: Watch) -> None:
    seen.rules = [rule.name for rule in watch.rules]
    judgement = watch.judgement
    if watch.rules and judgement is not None:
        seen.judged = {
            "asked for a person": judgement.asked_for_human or watch.facts.asked_for_human,
            "earlier answer did not help": judgement.failed,
            "mood": judgement.mood,
            "outside policy": judgement.outside_policy,
            "topics": sorted(judgement.topics),
            "confidence": judgement.confidence,
        }
    if watch.fired is not None:
        action = watch.fired.action
        to = (action.hand_off and action.hand_off.to) or (action.tell and action.tell.to) or None
        seen.fired = steps.Fired(watch.fired.rule, action.kind, list(watch.fired.why), to)


def unasked(begun: Begun, proposals: Sequence[Proposal]) -> list[Proposal]:
    """What is simulated waits for nobody's yes."""
    rehearsal = begun.turn.rehearsal
    if begun.seen is None or rehearsal is None or rehearsal.acts:
        return list(proposals)
    begun.seen.would_ask = [
        WouldAsk(each.name, policy.why(each.tool.risk, each.tool.approval))
        for each in proposals
        if each.state == "waiting" and each.tool is not None
    ]
    return [replace(each, state="ready") if each.state == "waiting" else each for each in proposals]


async def keep(
    session: AsyncSession,
    vault: Vault,
    request: ThinkRequest,
    begun: Begun,
    recalled: Sequence[Recalled] = (),
    answer: Answered | None = None,
    problem: str = "",
) -> None:
    """In a rehearsal alone."""
    seen, rehearsal = begun.seen, begun.turn.rehearsal
    if seen is None or rehearsal is None:
        return
    if begun.watch.fired is not None:
        _note_rules(seen, begun.watch)
    if seen.fired is not None and seen.fired.then != "ask_approval":
        # Whom it would be for as the desk is now, where neither rule nor employee says.
        seen.fired.to = (await people.settings(session)).group_for(seen.fired.to).key
    seen.recalled = [Remembered(each.text, each.happened_at.isoformat(), each.kind) for each in recalled]
    seen.problem = problem
    if answer is not None:
        seen.model = answer.link_name
        seen.turned_down = answer.turned_down.why if answer.turned_down else ""
    await steps.keep(session, vault, rehearsal, request.turn_id, seen)
