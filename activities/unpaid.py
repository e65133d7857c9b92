"""A turn for which too little is left of the month's budget: people have it, a model that costs nothing answers, or it
waits until there is a budget again. What a business chose is in its budgets.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from activities.begun import Answered, Begun
from activities.escalating import Watch
from konstruct import notices, unsettled
from konstruct.budgets import terms
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.conversations import Turn
from konstruct.db import Database
from konstruct.errors import ModelsUnavailable
from konstruct.escalation.firing import Fired
from konstruct.escalation.rules import Action, HandOff
from konstruct.model_keys import keeping as model_keys
from konstruct.models.links import DEFAULT_MODELS
from konstruct.models.spending import is_free
from konstruct.ports import ModelLink
from konstruct.reports import periods
from konstruct.scope import sentences
from konstruct.scope.languages import language_of
from konstruct.settings import Settings
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

LOOK_AGAIN_AFTER: Final = timedelta(hours=1)
"""At the latest: what is put off is taken up at once where the budgets change, and with the next month."""

TO_OPERATOR: Final = (
    "Nothing was asked of a model: the month's budget for models is used up. Raise it below “Usage”, or come back next"
    " month."
)
UNFINISHED: Final = (
    "I have begun with this, and cannot finish it now. Please write again later if it is not settled by then."
)

_SPENT: Final = Fired(
    "budget-used-up",
    Action(hand_off=HandOff()),
    ("The month's budget for models is used up, so people are to answer.",),
)
"""What fires without a rule."""


class Unpaid:
    def __init__(self, settings: Settings, database: Database, vault: Vault) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault

    async def instead(
        self, request: ThinkRequest, begun: Begun, watch: Watch, ask: Callable[[Begun], Awaitable[Answered]]
    ) -> tuple[Answered, Watch]:
        """``ask``: has an answer thought of by the models of what it is given."""
        turn = begun.turn
        if turn.rehearsal is not None:
            return Answered(TO_OPERATOR, ""), watch
        when_spent = terms.read_kept(turn.budgets).when_spent
        if when_spent == "people" and any(
            said.author == "contact" and said.seq in turn.asked_seqs for said in turn.said
        ):
            return Answered("", ""), replace(watch, fired=_SPENT)
        if when_spent == "local" and (free := await self._free(request, turn)):
            try:
                return await ask(replace(begun, chain=free, purse=None)), watch
            except ModelsUnavailable:
                # It is put off as where there is none.
                pass
        if request.step:
            # What it has done with tools would be done again if it were thought of anew another day.
            return Answered(UNFINISHED, ""), watch
        return Answered("", "", is_put_off=True), watch

    async def _free(self, request: ThinkRequest, turn: Turn) -> list[ModelLink]:
        """Every model that costs nothing of which somebody here has said that it may be asked: the employee, the
        business, the deployment."""
        known = chain(turn.employee.models, turn.tenant_models, self._settings.default_models, DEFAULT_MODELS)
        async with self._database.tenant_session(request.tenant_id) as session:
            links = await model_keys.chain(session, self._vault, list(dict.fromkeys(known)), self._settings)
        return [link for link in links if is_free(link)]


async def put_off(session: AsyncSession, request: ThinkRequest, turn: Turn) -> Thought:
    """The contact is told so, once a day. The turn must be found to be the conversation's, in the same transaction."""
    now = utc_now()
    month = periods.month(ZoneInfo(turn.time_zone), now)
    await unsettled.put_off(session, request.turn_id, min(month.end, now + LOOK_AGAIN_AFTER))
    body = sentences.in_language(language_of(turn.asked)).later
    notice_id = await notices.add_daily(session, request.conversation_id, request.turn_id, "budget", body)
    return Thought("reply", [notice_id]) if notice_id is not None else Thought("nothing")
