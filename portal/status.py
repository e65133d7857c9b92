"""Whether each part that a reply needs is there, in words of this page's own.

Nobody has signed in. So of what the doctor finds only the part and its state come here, and only for the parts
below: what it says besides may name tenants and addresses, and quote errors.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from konstruct import doctor
from konstruct.doctor import Finding, Part, State
from konstruct.settings import Settings


@dataclass(frozen=True)
class Words:
    title: str
    lacking: str
    """How the headline names it when it is missing."""
    says: Mapping[State, str]


WORDS: Final[Mapping[Part, Words]] = {
    "database": Words(
        "Database",
        "its database",
        {
            "ok": "Every message and every answer is kept here.",
            "missing": "Nothing can be taken in or answered without it. Is Postgres running, is"
            " `KONSTRUCT_DATABASE_URL` right, and was `konstruct migrate` run?",
        },
    ),
    "redis": Words(
        "Redis",
        "Redis",
        {
            "ok": "The limits on messages are counted here.",
            "warning": "People are answered all the same; each gateway counts its limits alone until Redis is back.",
            "missing": "Gateway and workers do not start without its address: is `KONSTRUCT_REDIS_URL` right?",
        },
    ),
    "temporal": Words(
        "Temporal",
        "Temporal",
        {
            "ok": "It carries each conversation through crashes and restarts.",
            "missing": "Messages are kept, and answered when it is back. Is it running, and are"
            " `KONSTRUCT_TEMPORAL_ADDRESS` and the namespace right?",
        },
    ),
    "worker": Words(
        "Worker",
        "a worker",
        {
            "ok": "Somebody works on conversations.",
            "missing": "Nobody works on conversations: start `konstruct worker`.",
        },
    ),
    "model": Words(
        "Model",
        "a model",
        {
            "ok": "There is a model to think of answers.",
            "warning": "At least one of the models does not answer; the next one in order is asked instead.",
            "missing": "None is configured, or none answers: set `KONSTRUCT_ANTHROPIC_API_KEY`,"
            " `KONSTRUCT_OPENAI_API_KEY` or `KONSTRUCT_OLLAMA_BASE_URL`, or use `make run`.",
        },
    ),
    "encryption keys": Words(
        "Encryption keys",
        "its encryption keys",
        {
            "ok": "Secrets can be sealed and opened.",
            "missing": "No secret can be opened: `KONSTRUCT_ENCRYPTION_KEYS` is empty or holds what is no Fernet key.",
        },
    ),
    "gateway": Words(
        "Gateway",
        "the gateway",
        {
            "ok": "Slack's messages come in here.",
            "warning": "No message from Slack comes in: start `konstruct gateway`.",
            "missing": "It cannot be asked. Are `KONSTRUCT_GATEWAY_HOST` and `KONSTRUCT_GATEWAY_PORT` right?",
        },
    ),
}

_WORST_LAST: Final[Sequence[State]] = ("ok", "warning", "missing")


@dataclass(frozen=True)
class Row:
    title: str
    state: State | None
    """None: what would know is away itself."""
    says: str


@dataclass(frozen=True)
class Status:
    rows: Sequence[Row]
    lacking: Sequence[str]
    has_slack: bool
    asked_at: datetime

    @property
    def headline(self) -> str:
        if not self.lacking:
            return "Konstruct is ready to answer."
        *others, last = self.lacking
        named = f"{', '.join(others)} and {last}" if others else last
        return f"Konstruct cannot answer right now: it needs {named}."

    @property
    def wants_a_look(self) -> bool:
        return any(row.state != "ok" for row in self.rows)


class Inquiry:
    """However many people load the page at once, the parts are asked once for all of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asking: asyncio.Task[Status] | None = None

    async def status(self) -> Status:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Whoever began may go away while others still wait.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Status:
        findings = await doctor.examine(self._settings)
        worst = {part: _worst(part, findings) for part in WORDS}
        return Status(
            rows=[_row(words, worst[part]) for part, words in WORDS.items()],
            lacking=[words.lacking for part, words in WORDS.items() if worst[part] == "missing"],
            has_slack=_worst("slack", findings) == "ok",
            asked_at=datetime.now(UTC),
        )


def _worst(part: Part, findings: Sequence[Finding]) -> State | None:
    return max((finding.state for finding in findings if finding.part == part), key=_WORST_LAST.index, default=None)


def _row(words: Words, state: State | None) -> Row:
    return Row(words.title, state, words.says[state] if state else "Nobody knows while Temporal is away.")
