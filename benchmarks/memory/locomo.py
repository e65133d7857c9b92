"""Reads long conversations in LoCoMo's format, as published or one a file. The data is not ours to ship."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Utterance:
    id: str
    """As evidence names it, e.g. D3:11."""
    is_contact: bool
    text: str


@dataclass(frozen=True)
class Session:
    at: datetime
    utterances: list[Utterance]


@dataclass(frozen=True)
class Asked:
    question: str
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True)
class Sample:
    name: str
    sessions: list[Session]
    asked: list[Asked]


def read(path: Path) -> list[Sample]:
    """From ``locomo10.json``, or from a folder with a file for each conversation."""
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        return [_sample(file.stem, json.loads(file.read_text())) for file in files]
    return [
        _sample(each["sample_id"].removeprefix("conv-"), {**each["conversation"], "qa": each["qa"]})
        for each in json.loads(path.read_text())
    ]


def _sample(name: str, content: dict[str, Any]) -> Sample:
    numbers = sorted(int(key.split("_")[1]) for key in content if re.fullmatch(r"session_\d+", key))
    sessions = [
        Session(
            datetime.strptime(content[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC),
            [_utterance(turn, content["speaker_a"]) for turn in content[f"session_{number}"]],
        )
        for number in numbers
    ]
    known = {utterance.id for session in sessions for utterance in session.utterances}
    asked = [
        Asked(each["question"], each["category"], evidence)
        for each in content["qa"]
        if (evidence := frozenset(re.findall(r"D\d+:\d+", " ".join(each.get("evidence") or []))) & known)
    ]
    return Sample(name, sessions, asked)


def _utterance(turn: dict[str, Any], contact: str) -> Utterance:
    caption = f" (shows {turn['blip_caption']})" if turn.get("blip_caption") else ""
    # Questions name both speakers, who are told apart by nothing else: as if a third person had written it all down.
    text = f"{turn['speaker']}: {turn.get('text', '')}{caption}"
    return Utterance(turn["dia_id"], turn["speaker"] == contact, text)
