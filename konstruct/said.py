"""What was said in a conversation, opened, as a model is shown it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from konstruct.files.showing import Attached, with_transcripts
from konstruct.vault import ContactCipher
from konstruct.window import Line

NO_FILES: Mapping[UUID, Sequence[Attached]] = {}


@dataclass(frozen=True)
class Said:
    """One line of the conversation as a model is shown it."""

    author: str
    text: str
    seq: int = 0
    signed: str | None = None
    """The name of the agent who wrote it."""
    files: tuple[Attached, ...] = ()
    """What came along with it, as far as it was to be had."""


def opened(
    lines: Sequence[Line],
    ciphers: Mapping[UUID, ContactCipher],
    files: Mapping[UUID, Sequence[Attached]] = NO_FILES,
) -> tuple[Said, ...]:
    """``files``: by the ids of their messages."""
    texts = ((line, line.text(ciphers), tuple(files.get(line.message_id, ()))) for line in lines)
    return tuple(
        Said(line.author, with_transcripts(text, along), line.seq, line.signed, along)
        for line, text, along in texts
        if text is not None
    )
