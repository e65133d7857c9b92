"""People who write to employees over a pretended Slack, as patiently as a provider delivers.

What is not acknowledged comes again, and some of what was comes again too. What they said is put down, and in the end
what they see.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.faults.history import MARK, History, Seen, Word, new_mark
from tests.support.model_doubles import Json, content_text
from tests.support.slack_double import SlackDouble, Workspace, events

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 8.0
"""Seconds between two tries at what is not acknowledged: Slack's first minutes, made shorter."""
PATIENCE: Final = 240.0
"""Seconds after which a word is given up, as Slack does after some six minutes."""
ANSWER: Final = "Answer to "


@dataclass
class Office:
    """A business, its workspace, and the people who write to it."""

    slug: str
    tenant_id: str
    workspace: Workspace


@dataclass
class Person:
    """One conversation: a thread of direct messages. The next word is said when the last one was taken."""

    crowd: "Crowd"
    office: Office
    user: str
    channel: str
    root: str = ""
    said: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def say(self, text: str = "", *, repeats: int = 0) -> Word:
        """Returns when it was taken, or given up. ``repeats``: posts of the same after it was taken."""
        async with self._turn:
            word, envelope = self._word(text)
            self.said += 1
            await self.crowd.deliver(word, envelope)
            for _ in range(repeats if word.taken_at is not None else 0):
                await self.crowd.post(word, envelope)
            return word

    async def say_at_once(self, words: int, chance: random.Random) -> list[Word]:
        """All of them are on their way side by side, and come in in whatever order."""
        async with self._turn:
            said = [self._word("") for _ in range(words)]
            self.said += 1
            chance.shuffle(said)
            await asyncio.gather(*(self.crowd.deliver(word, envelope) for word, envelope in said))
            return [word for word, _ in said]

    def _word(self, text: str) -> tuple[Word, Json]:
        word = Word(new_mark(), self.office.slug, self.channel, self.said, time.monotonic())
        self.crowd.history.words.append(word)
        return word, self._written(f"{text or 'A question'} {word.mark}")

    def _written(self, text: str) -> Json:
        world, workspace = self.crowd.slack.world, self.office.workspace
        channel = workspace.channels[self.channel]
        stored = events.person_message(self.user, text, world.next_ts(), workspace.team_id)
        if self.root:
            stored |= {"thread_ts": self.root, "parent_user_id": self.user}
        self.root = self.root or stored["ts"]
        world.store(channel, stored)
        return self.crowd.slack.envelope(events.message(channel, stored), team=workspace.team_id)


class Crowd:
    def __init__(self, slack: SlackDouble, history: History, gateways: Callable[[], Sequence[str]]) -> None:
        """``gateways``: the addresses that a word may be posted to, as they are by then."""
        self.slack = slack
        self.history = history
        self._gateways = gateways
        self._next = 0
        self.people: list[Person] = []

    def person(self, office: Office) -> Person:
        user = f"U{secrets.token_hex(5).upper()}"
        channel = office.workspace.add_channel(f"D{secrets.token_hex(5).upper()}", kind="im", members={user})
        channel.members.add(office.workspace.bot_user_id)
        office.workspace.users[user] = user.title()
        person = Person(self, office, user, channel.id)
        self.people.append(person)
        return person

    async def deliver(self, word: Word, envelope: Json) -> None:
        """Until it is taken: 200, or the time is over. What was refused for good counts as not taken."""
        pause = FIRST_PAUSE
        while not await self.post(word, envelope):
            if time.monotonic() - word.said_at > PATIENCE:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def post(self, word: Word, envelope: Json) -> bool:
        """One try, at the next gateway; whether it was acknowledged."""
        addresses = self._gateways()
        self._next += 1
        url = f"{addresses[self._next % len(addresses)]}/slack/events"
        retry = (word.tries, "http_timeout") if word.tries else None
        word.tries += 1
        delivery = await self.slack.send(envelope, url=url, retry=retry)
        word.statuses.append(delivery.status)
        word.longest_answer = max(word.longest_answer, delivery.elapsed)
        is_taken = delivery.status == 200
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
                person = chance.choice(self.people)
                saying.create_task(person.say(repeats=chance.randint(1, 3) if chance.random() < repeated else 0))
                await asyncio.sleep(chance.expovariate(a_second))

    def look(self) -> None:
        """Puts down what stands in all threads now."""
        self.history.seen = [
            self._seen(person, message)
            for person in self.people
            for message in person.office.workspace.channels[person.channel].messages.values()
            if message.get("bot_id")
        ]

    def missing(self) -> set[str]:
        """Marks of what was taken and is not answered so far."""
        self.look()
        answered = {mark for seen in self.history.seen if not seen.is_notice for mark in seen.marks}
        return {word.mark for word in self.history.words if word.taken_at is not None} - answered

    def _seen(self, person: Person, message: Json) -> Seen:
        text = str(message.get("text") or "") + "".join(
            str(block.get("text", "")) for block in message.get("blocks", ()) if block.get("type") == "markdown"
        )
        carried = ((message.get("metadata") or {}).get("event_payload") or {}).get("id", "")
        # When it was said, not when the channel showed it: it may have been held on the way.
        at, *added = self.slack.spoken_at[message["ts"]]
        is_answer = ANSWER in text
        marks = tuple(dict.fromkeys(MARK.findall(text)))
        return Seen(
            at, person.office.slug, person.channel, text[:200], marks, str(carried), not is_answer, tuple(added)
        )


def answer(messages: list[Json]) -> str:
    """What the pretended models answer: the marks of all that was said since they spoke last."""
    marks: list[str] = []
    for message in messages:
        if message.get("role") == "assistant":
            marks.clear()
        elif message.get("role") == "user":
            marks += [mark for mark in MARK.findall(content_text(message.get("content"))) if mark.startswith("m")]
    return ANSWER + " ".join(dict.fromkeys(marks))
