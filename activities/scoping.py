"""The bounds of what a connection is for, in a turn: what is turned down, and that a person can always be had."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import distinct, func, literal, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from activities.begun import Answered, Begun
from activities.locating import Locator
from konstruct import scope
from konstruct.contracts.conversation import ThinkRequest
from konstruct.conversations import Turn
from konstruct.scope import Bounds, measures, sentences
from konstruct.scope.languages import language_of
from konstruct.tables import Message

OFFERED_EVERY: Final = 10
"""Answers; a person is offered with the first one, too."""
_MOST_BOUNDS: Final = 1_000
_QUESTIONS: Final = frozenset("?？؟\u037e")


class Scoping:
    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._bounds: dict[tuple[str, ...], Bounds] = {}

    async def turn_down(self, request: ThinkRequest, begun: Begun) -> Answered | None:
        """The answer to what the connection is certainly not for; None where a model is to be asked, as it is wherever
        that cannot be told."""
        turn = begun.turn
        only_asked = len(turn.asked_seqs) == sum(
            said.author == "contact" for said in turn.said if said.seq in turn.asked_seqs
        )
        if not (turn.account.functions and turn.asked and only_asked) or request.step or begun.released:
            return None
        within = await self._within(turn.account.functions)
        vector = (await self._locator.locate(turn.asked, [measures.MODEL])).get(measures.MODEL)
        if within is None or vector is None:
            return None
        said = [line for line in turn.said if line.author in ("employee", "agent")]
        verdict = scope.judge(
            turn.asked,
            vector,
            within,
            is_in_talk=bool(said),
            is_answer=bool(said) and not _QUESTIONS.isdisjoint(said[-1].text),
        )
        if not verdict.certain:
            return None
        text = sentences.only(language_of(turn.asked), turn.account.functions)
        return Answered(text, "", turned_down=verdict)

    async def _within(self, functions: tuple[str, ...]) -> Bounds | None:
        if functions not in self._bounds:
            found = {text: await self._locator.locate(text, [measures.MODEL]) for text in functions}
            if not all(found.values()):
                return None
            if len(self._bounds) >= _MOST_BOUNDS:
                self._bounds.clear()
            vectors = {text: vector for text, by_model in found.items() for vector in by_model.values()}
            self._bounds[functions] = scope.bounds(vectors)
        return self._bounds[functions]

    async def offer_person(
        self, session: AsyncSession, conversation_id: UUID, turn: Turn, reply_ids: Sequence[UUID], *, always: bool
    ) -> None:
        """Puts the offer below an answer that was just stored, where it is due. The conversation must be locked."""
        if not (turn.account.functions and reply_ids):
            return
        answers = await session.scalar(
            select(func.count(distinct(col(Message.turn_id))))
            .where(col(Message.conversation_id) == conversation_id, col(Message.direction) == "outbound")
            .where(col(Message.author) == "employee", col(Message.purpose) == "reply")
            .where(col(Message.state) != "discarded")
        )
        if always or answers == 1 or (answers or 0) % OFFERED_EVERY == 0:
            title = sentences.in_language(language_of(turn.asked)).person
            offer: dict[str, Any] = {"buttons": [{"id": "person", "title": title}]}
            await session.execute(
                update(Message)
                .where(col(Message.id) == reply_ids[-1])
                .values(detail=col(Message.detail).op("||")(literal(offer, JSONB)))
                .execution_options(synchronize_session=False)
            )
