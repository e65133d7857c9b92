"""Where agents see what waits for them, as the core sees it: the Protocol beside ``ports.Messenger``, and its cards."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from konstruct.ports import ChannelAccount


@dataclass(frozen=True)
class HandoffCard:
    """What agents are shown of a conversation that waits for one of them, or that one of them has.

    All of its text may have been written by strangers.
    """

    handoff_id: UUID
    headline: str
    """Which desk, and what is wanted of it: ``Support: a person is needed``."""
    employee: str
    contact: str
    reason: str = field(repr=False)
    priority: str
    summary: str = field(repr=False)
    tried: str = field(repr=False)
    """What was done about it before a person was asked."""
    suggestion: str = field(repr=False)
    """What might be answered."""
    standing: str
    """A sentence: since when it waits, who has it, or how it ended."""
    state: Literal["waiting", "owned", "over", "told"]
    """``told``: the employee carries on, and a person may step in."""
    link: str = ""
    """Where the conversation is open in the portal; empty where nobody knows what that is called."""
    ring: tuple[str, ...] = ()
    """The channel's ids of those who are called by it."""


@dataclass(frozen=True)
class DeskEntry:
    """One line in the thread under a card."""

    entry_id: UUID
    """Ours; travels with the line so that an uncertain post can be found again."""
    author: str
    """``Contact``, an agent's or the employee's name, or ``Konstruct``."""
    text: str = field(repr=False)
    kind: Literal["contact", "agent", "employee", "note", "draft", "summary", "system"]
    created_at: datetime
    ring: tuple[str, ...] = ()
    """The channel's ids of those who are called by it."""


@dataclass(frozen=True)
class ConsultCard:
    """What one person of the desk is asked by an employee. All of its text may have been written by strangers."""

    consult_id: UUID
    employee: str
    colleague: str
    question: str = field(repr=False)
    expires_at: datetime
    ring: tuple[str, ...] = ()
    """The channel's ids of those who are called by it."""
    outcome: str = ""
    """A sentence, once no answer is waited for."""


class Deskroom(Protocol):
    """Where agents see what waits for them. Methods raise ChannelError's subclasses and nothing else; none retries."""

    async def show_handoff(self, account: ChannelAccount, channel: str, card: HandoffCard) -> str:
        """Shows it to whoever reads the channel, and calls those who are to come; returns the channel's id of it."""

    async def find_handoff(
        self, account: ChannelAccount, channel: str, card: HandoffCard, since: datetime
    ) -> str | None:
        """The channel's id of a card that may have been shown at ``since`` or later; None: it certainly was not."""

    async def renew_handoff(self, account: ChannelAccount, channel: str, external_id: str, card: HandoffCard) -> None:
        """Shows the card as it is now. The same again does no harm."""

    async def post_entry(self, account: ChannelAccount, channel: str, thread: str, entry: DeskEntry) -> str:
        """Adds to the thread of the card whose external id is ``thread``; returns the channel's id of the line."""

    async def find_entry(self, account: ChannelAccount, channel: str, thread: str, entry: DeskEntry) -> str | None:
        """The channel's id of a line whose post was uncertain; None when it is certainly not there."""

    async def show_consult(self, account: ChannelAccount, channel: str, card: ConsultCard) -> str:
        """Calls whoever is asked, who answers in the thread below; returns the channel's id of it."""

    async def find_consult(
        self, account: ChannelAccount, channel: str, card: ConsultCard, since: datetime
    ) -> str | None:
        """As ``find_handoff``."""

    async def renew_consult(self, account: ChannelAccount, channel: str, external_id: str, card: ConsultCard) -> None:
        """Shows the card as it is now. The same again does no harm."""

    async def whisper(self, account: ChannelAccount, channel: str, thread: str | None, user: str, text: str) -> None:
        """Shows something to one person alone, who must be in the channel. It is kept nowhere and cannot be found."""
