"""Who and what there is at Meta: numbers, people, files and messages. Nothing about HTTP."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

Json = dict[str, Any]

WINDOW = timedelta(hours=24)
ADDRESS_LIVES = timedelta(minutes=5)
SECONDS_A_MESSAGE = 6.0
"""What one more message to the same person costs, once the burst is used up."""

KINDS: dict[str, tuple[tuple[str, ...], int]] = {
    "image": (("image/jpeg", "image/png"), 5 * 2**20),
    "video": (("video/mp4", "video/3gpp"), 16 * 2**20),
    "audio": (("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"), 16 * 2**20),
    "sticker": (("image/webp",), 500 * 2**10),
    "document": (
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        100 * 2**20,
    ),
}
"""By kind of media: which types it may have, and how many bytes at most."""


APP_ID = "482193750012345"
SCOPES = frozenset({"whatsapp_business_management", "whatsapp_business_messaging"})


@dataclass(frozen=True)
class App:
    """A Meta app, which tokens are of."""

    id: str
    name: str
    secret: str


@dataclass
class ApprovedTemplate:
    places: int = 0
    state: str = "approved"
    """Or paused, disabled, pending or rejected."""


@dataclass
class Number:
    """A business's number, with the token that may use it."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    token: str
    token_state: str = "active"
    """Or expired, or unpermitted."""
    state: str = "registered"
    """Or unregistered, locked, restricted."""
    app: App | None = None
    """Which the token is of; None: the double's."""
    scopes: frozenset[str] = SCOPES
    """What the token may."""
    token_expires_at: int = 0
    """Seconds since 1970; 0: never."""
    verified_name: str = "Acme Bikes"
    quality: str = "GREEN"
    templates: dict[tuple[str, str], ApprovedTemplate] = field(default_factory=dict)
    """By name and language."""

    def external(self) -> dict[str, str | None]:
        """What a connection keeps of it."""
        return {
            "phone_number_id": self.phone_number_id,
            "waba_id": self.waba_id,
            "display_phone_number": self.display_phone_number,
        }


@dataclass
class Person:
    """Without a ``wa_id``: one who has a username, and whose phone number is not told."""

    wa_id: str | None
    name: str
    user_id: str | None = None
    username: str | None = None
    is_reachable: bool = True
    """False: has no WhatsApp."""

    @property
    def key(self) -> str:
        """As our conversations know the person."""
        return self.user_id or self.wa_id or ""


@dataclass(frozen=True)
class Media:
    id: str
    number: Number
    media_type: str
    content: bytes
    is_uploaded: bool
    """By the business; else a person sent it."""


@dataclass
class Sent:
    """A message of a business's that was accepted."""

    id: str
    number: Number
    person: Person
    body: Json
    at: float
    statuses: list[str] = field(default_factory=list)

    @property
    def opaque(self) -> str | None:
        return self.body.get("biz_opaque_callback_data")

    @property
    def text(self) -> str:
        """What the person reads of it."""
        content = self.body[self.body["type"]]
        match self.body["type"]:
            case "text":
                return str(content["body"])
            case "interactive":
                return str(content["body"]["text"])
            case "template":
                return str(content["name"])
        return str(content.get("caption", ""))


class World:
    def __init__(self, *, burst: int = 45, messages_a_second: int = 80) -> None:
        self.burst, self.messages_a_second = burst, messages_a_second
        self.numbers: dict[str, Number] = {}
        self.subscribed: set[tuple[str, str]] = set()
        """Which app is told of which business account, as (app id, account id)."""
        self.people: list[Person] = []
        self.media: dict[str, Media] = {}
        self.sent: list[Sent] = []
        self.read: list[tuple[str, bool]] = []
        """Messages that were marked as read, and whether somebody was shown to be typing."""
        self.received: dict[str, tuple[Number, Person]] = {}
        """What people said, by its id."""
        self._wrote_at: dict[tuple[str, int], float] = {}
        self._addresses: dict[str, tuple[str, float]] = {}
        self._passed = 0.0
        self._ids = count(1)

    def now(self) -> float:
        """Seconds since 1970, as it is at Meta."""
        return time.time() + self._passed

    def pass_time(self, period: timedelta) -> None:
        self._passed += period.total_seconds()

    def next_id(self) -> str:
        """Of this world alone: what is kept of one is not taken for another's."""
        return f"1{secrets.randbelow(10**14):014}"

    def next_wamid(self) -> str:
        return f"wamid.HBgL{secrets.token_hex(12).upper()}{next(self._ids):04X}AA=="

    def find(self, *, wa_id: str | None = None, user_id: str | None = None) -> Person | None:
        """By number or, where none is given, by id."""
        if wa_id is not None:
            return next((person for person in self.people if person.wa_id == wa_id), None)
        return next((person for person in self.people if person.user_id == user_id), None)

    def note_written(self, number: Number, person: Person, at: float) -> None:
        key = (number.phone_number_id, id(person))
        self._wrote_at[key] = max(at, self._wrote_at.get(key, 0.0))

    def is_open(self, number: Number, person: Person) -> bool:
        wrote_at = self._wrote_at.get((number.phone_number_id, id(person)))
        return wrote_at is not None and self.now() - wrote_at < WINDOW.total_seconds()

    def is_too_much(self, number: Number) -> bool:
        recent = [sent for sent in self.sent if sent.number is number and self.now() - sent.at < 1]
        return len(recent) >= self.messages_a_second

    def is_too_much_for(self, number: Number, person: Person) -> bool:
        """A burst is lent, and paid back at one message in six seconds."""
        debt, last = 0.0, 0.0
        for at in self._sent_to(number, person):
            debt = max(0.0, debt - (at - last) / SECONDS_A_MESSAGE) + 1
            last = at
        return max(0.0, debt - (self.now() - last) / SECONDS_A_MESSAGE) > self.burst - 1

    def _sent_to(self, number: Number, person: Person) -> Iterator[float]:
        return (sent.at for sent in self.sent if sent.number is number and sent.person is person)

    def keep(self, number: Number, media_type: str, content: bytes, *, is_uploaded: bool = False) -> Media:
        media = Media(self.next_id(), number, media_type, content, is_uploaded)
        self.media[media.id] = media
        return media

    def address_of(self, media: Media) -> str:
        """The last part of an address that is good for minutes."""
        ticket = secrets.token_urlsafe(16)
        self._addresses[ticket] = (media.id, self.now() + ADDRESS_LIVES.total_seconds())
        return ticket

    def at_address(self, ticket: str) -> Media | None:
        media_id, until = self._addresses.get(ticket, ("", 0.0))
        return self.media.get(media_id) if self.now() < until else None
