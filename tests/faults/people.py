"""People who write to employees over a pretended Slack, as patiently as a provider delivers.

What is not acknowledged comes again, and some of what was comes again too. What they said is put down, and in the end
what they see. Those who write over WhatsApp are in ``callers``.
"""

import asyncio
import random
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from tests.faults.history import MARK, History, Seen, Word, new_mark
from tests.support.graph_double import Number
from tests.support.model_doubles import Json, calls_tools, content_text
from tests.support.slack_double import SlackDouble, Workspace, events

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 8.0
"""Seconds between two tries at what is not acknowledged: Slack's first minutes, made shorter."""
PATIENCE: Final = 240.0
"""Seconds after which a word is given up, as Slack does after some six minutes."""
ANSWER: Final = "Answer to "


class Attempt(Protocol):
    """What came of one try, as either channel's double tells it."""

    @property
    def status(self) -> int | None: ...
    @property
    def elapsed(self) -> float: ...


class Posting(Protocol):
    """Posts the same each time. ``tries``: how many there were before."""

    async def __call__(self, gateway: str, tries: int) -> Attempt: ...


@dataclass
class Office:
    """A business, its workspace, its number, and the people who write to it."""

    slug: str
    tenant_id: str
    workspace: Workspace
    number: Number


@dataclass
class Writer(ABC):
    """Somebody with one conversation. The next word is said when the last one was taken."""

    crowd: "Crowd"
    office: Office
    said: int = field(default=0, kw_only=True)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, kw_only=True)

    @property
    @abstractmethod
    def thread(self) -> str:
        """What the conversation is called in the history."""

    @property
    @abstractmethod
    def known_as(self) -> str:
        """What the channel calls them."""

    @property
    @abstractmethod
    def place(self) -> tuple[str, str]:
        """Its channel and its root, as the product keeps them."""

    @abstractmethod
    def posting(self, text: str) -> Posting:
        """It is written with this, and stands in the channel as theirs."""

    @abstractmethod
    def heard(self) -> list[Seen]:
        """All that was said to them so far."""

    def write(self, text: str = "", *, number: int | None = None) -> tuple[Word, Posting]:
        """Puts a word down that is not posted yet. ``number``: its place, if not behind all others."""
        place = self.said if number is None else number
        word = Word(new_mark(), self.office.slug, self.thread, place, time.monotonic())
        self.said = max(self.said, place + 1)
        self.crowd.history.words.append(word)
        return word, self.posting(f"{text or 'A question'} {word.mark}")

    async def say(self, text: str = "", *, repeats: int = 0) -> Word:
        """Returns when it was taken, or given up. ``repeats``: posts of the same after it was taken."""
        async with self._turn:
            word, posting = self.write(text)
            await self.crowd.deliver(word, posting)
            for _ in range(repeats if word.taken_at is not None else 0):
                await self.crowd.post(word, posting)
            return word

    async def say_at_once(self, words: int, chance: random.Random) -> list[Word]:
        """All of them are on their way side by side, and come in in whatever order."""
        async with self._turn:
            number = self.said
            said = [self.write(number=number) for _ in range(words)]
            chance.shuffle(said)
            await asyncio.gather(*(self.crowd.deliver(word, posting) for word, posting in said))
            return [word for word, _ in said]


@dataclass
class Person(Writer):
    """A thread of direct messages in Slack."""

    user: str
    channel: str
    root: str = ""

    @property
    def thread(self) -> str:
        return self.channel

    @property
    def known_as(self) -> str:
        return self.user

    @property
    def place(self) -> tuple[str, str]:
        return self.channel, self.root

    def envelope(self, text: str) -> Json:
        """What Slack tells of it."""
        world, workspace = self.crowd.slack.world, self.office.workspace
        channel = workspace.channels[self.channel]
        stored = events.person_message(self.user, text, world.next_ts(), workspace.team_id)
        if self.root:
            stored |= {"thread_ts": self.root, "parent_user_id": self.user}
        self.root = self.root or stored["ts"]
        world.store(channel, stored)
        return self.crowd.slack.envelope(events.message(channel, stored), team=workspace.team_id)

    def posting(self, text: str) -> Posting:
        envelope = self.envelope(text)

        async def post(gateway: str, tries: int) -> Attempt:
            retry = (tries, "http_timeout") if tries else None
            return await self.crowd.slack.send(envelope, url=f"{gateway}/slack/events", retry=retry)

        return post

    def heard(self) -> list[Seen]:
        messages = self.office.workspace.channels[self.channel].messages.values()
        return [self._seen(message) for message in messages if message.get("bot_id")]

    def _seen(self, message: Json) -> Seen:
        text = str(message.get("text") or "") + "".join(
            str(block.get("text", "")) for block in message.get("blocks", ()) if block.get("type") == "markdown"
        )
        carried = ((message.get("metadata") or {}).get("event_payload") or {}).get("id", "")
        # When it was said, not when the channel showed it: it may have been held on the way.
        at, *added = self.crowd.slack.spoken_at[message["ts"]]
        return replace(seen(self, at, text, str(carried)), added_at=tuple(added))


class Crowd:
    def __init__(self, slack: SlackDouble, history: History, gateways: Callable[[], Sequence[str]]) -> None:
        """``gateways``: the addresses that a word may be posted to, as they are by then."""
        self.slack = slack
        self.history = history
        self._gateways = gateways
        self._next = 0
        self.people: list[Person] = []
        self.callers: list[Writer] = []
        """Who writes over another channel than Slack."""

    @property
    def writers(self) -> list[Writer]:
        return [*self.people, *self.callers]

    def person(self, office: Office) -> Person:
        user = f"U{secrets.token_hex(5).upper()}"
        channel = office.workspace.add_channel(f"D{secrets.token_hex(5).upper()}", kind="im", members={user})
        channel.members.add(office.workspace.bot_user_id)
        office.workspace.users[user] = user.title()
        person = Person(self, office, user, channel.id)
        self.people.append(person)
        return person

    async def deliver(self, word: Word, posting: Posting) -> None:
        """Until it is taken: 200, or the time is over. What was refused for good counts as not taken."""
        pause = FIRST_PAUSE
        while not await self.post(word, posting):
            if time.monotonic() - word.said_at > PATIENCE:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def post(self, word: Word, posting: Posting) -> bool:
        """One try, at the next gateway; whether it was acknowledged."""
        addresses = self._gateways()
        self._next += 1
        tries, word.tries = word.tries, word.tries + 1
        attempt = await posting(addresses[self._next % len(addresses)], tries)
        word.statuses.append(attempt.status)
        word.longest_answer = max(word.longest_answer, attempt.elapsed)
        is_taken = attempt.status == 200
        if is_taken and word.taken_at is None:
            word.taken_at = time.monotonic()
        return is_taken

    async def talk(
        self,
        words: int,
        chance: random.Random,
        *,
        a_second: float,
        repeated: float = 0.1,
        stop: asyncio.Event | None = None,
    ) -> None:
        """All of them together, each time another one: so many words, at that pace whatever becomes of them, some of
        them posted again after they were taken. Returns when each was taken or given up."""
        async with asyncio.TaskGroup() as saying:
            for _ in range(words):
                if stop is not None and stop.is_set():
                    break
                writer = chance.choice(self.writers)
                saying.create_task(writer.say(repeats=chance.randint(1, 3) if chance.random() < repeated else 0))
                await asyncio.sleep(chance.expovariate(a_second))

    def look(self) -> None:
        """Puts down what stands in all threads now."""
        self.history.seen = [each for writer in self.writers for each in writer.heard()]

    def missing(self) -> set[str]:
        """Marks of what was taken and is not answered so far."""
        self.look()
        answered = {mark for each in self.history.seen if not each.is_notice for mark in each.marks}
        return {word.mark for word in self.history.words if word.taken_at is not None} - answered


def seen(writer: Writer, at: float, text: str, carried: str) -> Seen:
    """One message as it stands in the writer's channel."""
    marks = tuple(dict.fromkeys(MARK.findall(text)))
    return Seen(at, writer.office.slug, writer.thread, text[:200], marks, carried, is_notice=ANSWER not in text)


def answer(messages: list[Json]) -> str:
    """What the pretended models answer: the marks of all that was said since they spoke last; a call is no answer."""
    marks: list[str] = []
    for message in messages:
        if message.get("role") == "assistant" and not calls_tools(message):
            marks.clear()
        elif message.get("role") == "user":
            marks += [mark for mark in MARK.findall(content_text(message.get("content"))) if mark.startswith("m")]
    return ANSWER + " ".join(dict.fromkeys(marks))
