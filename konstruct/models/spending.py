"""What a call may cost at most, before it is made, and how long its answer may be for that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import Final
from uuid import UUID

from konstruct.errors import ModelsUnavailable, OverBudget
from konstruct.models.context import count_prompt
from konstruct.models.prices import MILLION
from konstruct.ports import ChatMessage, ModelLink, Purse, ToolSpec

WAITING_SHARE: Final = 0.5
LONGEST_WAIT: Final = 20.0
"""Of its time, how much a call may wait for what others hold of a budget; and seconds, as somebody waits for it."""

MARGIN: Final = Decimal("1.25")
"""By which a prompt may have more tokens than we count, which errs upwards for most of what people write already."""
LEAST_ANSWER: Final = 400
"""Tokens: with less room than that, a model is not asked, since hardly an answer would be whole."""
AMPLE_ANSWER: Final = 2_048
"""Tokens: hardly any answer of a chat is longer, so nobody waits for others to be given more."""
_EXACT: Final = Decimal("0.0000000001")


@dataclass(frozen=True)
class Estimate:
    """US dollars."""

    link: ModelLink
    prompt: Decimal

    @property
    def most(self) -> Decimal:
        return self._with(self.link.max_output_tokens)

    @property
    def least(self) -> Decimal:
        return self._with(min(self.link.max_output_tokens, LEAST_ANSWER))

    @property
    def enough(self) -> Decimal:
        return self._with(min(self.link.max_output_tokens, AMPLE_ANSWER))

    def tokens_for(self, amount: Decimal) -> int:
        """How long an answer may be that costs no more than this, with its prompt."""
        if amount >= self.most:
            return self.link.max_output_tokens
        return int((amount - self.prompt) * MILLION / self.link.output_price)

    def _with(self, tokens: int) -> Decimal:
        return (self.prompt + tokens * self.link.output_price / MILLION).quantize(_EXACT, ROUND_UP)


def estimate(link: ModelLink, prompt: Sequence[ChatMessage], tools: Sequence[ToolSpec]) -> Estimate:
    # What the vendor may have cached is not counted on.
    return Estimate(link, count_prompt(prompt, tools) * MARGIN * link.input_price / MILLION)


def is_free(link: ModelLink) -> bool:
    """As what runs on one's own machine is, unless the deployment's setting gives it a price."""
    return link.provider in ("ollama", "local") and not (link.input_price or link.output_price)


@dataclass(frozen=True)
class Allowance:
    max_tokens: int
    """Of the answer."""
    begins_at: datetime
    hold_id: UUID | None = None


@dataclass
class Spending:
    """What the calls of one chain may cost."""

    purse: Purse | None
    is_over: bool = False
    """Whether too little is left for one of them."""

    async def allow(
        self, link: ModelLink, prompt: Sequence[ChatMessage], tools: Sequence[ToolSpec], share: float
    ) -> Allowance | None:
        """None where the link is to be passed over. ``share``: seconds that the call has, and what comes before it."""
        if self.purse is None or is_free(link):
            # Else nothing would ever come of what is to happen when a budget is spent, where a chain ends with what
            # costs nothing.
            is_let = self.purse is None or self.purse.falls_to_free or not self.is_over
            return Allowance(link.max_output_tokens, datetime.now(UTC)) if is_let else None
        cost = estimate(link, prompt, tools)
        patience = min(share * WAITING_SHARE, LONGEST_WAIT)
        try:
            held = await self.purse.hold(cost.least, cost.enough, cost.most, lasts=share, patience=patience)
        except OverBudget:
            self.is_over = True
            return None
        except ModelsUnavailable:
            return None
        return Allowance(cost.tokens_for(held.amount), held.at, held.hold_id)
