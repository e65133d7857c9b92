"""What a model is asked for people who take over: a packet's summary, drafts. Prompts and the reading of answers alone.

What a model answers here is for people to read, and nothing else follows from it.
"""

import json
from importlib import resources
from string import Template
from typing import Final, Literal

from pydantic import BaseModel, ValidationError

from konstruct.handoffs.cards import Written
from konstruct.handoffs.packet import Packet
from konstruct.ports import ChatMessage

LONGEST_RECORD: Final = 60_000
"""Characters of the chat that a model is shown, the latest ones."""
LONGEST_LINE: Final = 2_000
LONGEST_WRITTEN: Final = 3_000
EXCERPT_LINES: Final = 5

_PROMPTS = resources.files("konstruct.prompts")
_PACKET = Template(_PROMPTS.joinpath("packet.md").read_text())
_HELP: Final = {
    "draft": Template(_PROMPTS.joinpath("draft.md").read_text()),
    "summary": Template(_PROMPTS.joinpath("handoff_summary.md").read_text()),
}
_BY: Final = {"contact": "person", "employee": "AI employee", "agent": "colleague", "system": "system"}


class _Answer(BaseModel):
    summary: str = ""
    tried: str = ""
    suggestion: str = ""


def packet_prompt(packet: Packet, employee: str, tenant: str) -> list[ChatMessage]:
    system = _PACKET.substitute(employee=employee, tenant=tenant, reason=packet.reason).strip()
    return [ChatMessage("system", system), ChatMessage("user", _record(packet))]


def help_prompt(
    packet: Packet, kind: Literal["draft", "summary"], agent: str, employee: str, tenant: str
) -> list[ChatMessage]:
    system = _HELP[kind].substitute(agent=agent, employee=employee, tenant=tenant).strip()
    notes = [f"note by {entry.agent}: {_flat(entry.text)}" for entry in packet.entries if entry.kind == "note"]
    record = _record(packet)
    return [ChatMessage("system", system), ChatMessage("user", "\n".join([record, *notes]))]


def read_packet(answer: str) -> Written:
    """An answer in another form counts as the summary: it is for people, who can read it all the same."""
    start, end = answer.find("{"), answer.rfind("}")
    try:
        read = _Answer.model_validate(json.loads(answer[start : end + 1]))
    except (ValueError, ValidationError, RecursionError):
        return Written(summary=answer.strip()[:LONGEST_WRITTEN])
    return Written(*(text.strip()[:LONGEST_WRITTEN] for text in (read.summary, read.tried, read.suggestion)))


def excerpt(packet: Packet) -> Written:
    """A packet made without a model: what the person wrote last, and what was called."""
    said = [_flat(line.text)[:300] for line in packet.transcript if line.author == "contact"][-EXCERPT_LINES:]
    tried = [f"{call.tool}: {call.state}" for call in packet.tool_calls[-EXCERPT_LINES:]]
    return Written("\n".join(said), "\n".join(tried))


def _record(packet: Packet) -> str:
    events = [(line.said_at, f"{_BY[line.author]}: {_flat(line.text)[:LONGEST_LINE]}") for line in packet.transcript]
    events += [
        (
            call.called_at,
            f"tool {call.tool} with {_flat(call.arguments)[:500]} -> {call.state}: {_flat(call.result)[:500]}",
        )
        for call in packet.tool_calls
    ]
    lines = [f"({at:%Y-%m-%d %H:%M}) {text}" for at, text in sorted(events, key=lambda event: event[0])]
    remembered = [f"remembered: {_flat(fact)}" for fact in packet.facts]
    return "\n".join([*remembered, *lines])[-LONGEST_RECORD:]


def _flat(text: str) -> str:
    return " ".join(text.split())
