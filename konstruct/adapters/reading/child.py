"""The program that reads one document: from standard input to JSON on standard output, and able to do nothing else.

Its input is a line of JSON (name, media_type, memory, cpu_seconds) and then the document. Only what a document's own
kind needs is imported, and before the document is looked into; after that no file and no connection can be opened.
"""

import json
import os
import resource
import sys
from importlib import import_module
from pathlib import PurePath
from typing import Any, Final

from konstruct.adapters.reading.outline import Outline, one_line
from konstruct.adapters.reading.sniffing import MEDIA_TYPES, Kind, sniff
from konstruct.errors import Unreadable

# Not those of an interpreter that could not run this program.
EXHAUSTED: Final = 3
_NICENESS: Final = 10
_LONGEST_TITLE: Final = 200


def main() -> None:
    request, content = limited()
    try:
        answer = json.dumps(_answer(content, request["name"], request["media_type"]), ensure_ascii=False).encode()
    except (MemoryError, RecursionError):
        sys.exit(EXHAUSTED)
    sys.stdout.buffer.write(answer)


def limited() -> tuple[dict[str, Any], bytes]:
    """What this process is asked, and to look at; from now on it gets so much and no more."""
    os.nice(_NICENESS)
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, request["cpu_seconds"])
    _limit(resource.RLIMIT_AS, request["memory"])
    return request, content


def _answer(content: bytes, name: str, media_type: str | None) -> dict[str, Any]:
    try:
        kind, known = sniff(content, name, media_type)
        module = import_module(f"konstruct.adapters.reading.{kind}")
        close_off()
        outline = Outline()
        try:
            module.read(known, outline)
        except (Unreadable, MemoryError, RecursionError):
            raise
        except Exception as error:
            # Libraries fail in all ways over what is not put together as they expect. The sentence of theirs may
            # quote the document; its type is enough for a log.
            return {"unreadable": _damaged(kind), "cause": type(error).__name__}
        return {"document": _document(outline, kind, name)}
    except Unreadable as error:
        return {"unreadable": str(error)}


def _document(outline: Outline, kind: Kind, name: str) -> dict[str, Any]:
    sections = outline.finished()
    if not sections:
        raise Unreadable("There is no text in it.")
    title = outline.title or outline.first_heading or one_line(PurePath(name).stem) or one_line(name)
    return {"title": title[:_LONGEST_TITLE], "media_type": MEDIA_TYPES[kind], "sections": sections}


def _damaged(kind: Kind) -> str:
    return f"This {kind.upper()} is damaged or put together in an unusual way; open it, save it anew and upload that."


def close_off() -> None:
    """Nothing can be opened or started beside standard input and output, whatever a document brings about."""
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 3)


def _limit(what: int, amount: int) -> None:
    resource.setrlimit(what, (amount, amount))


if __name__ == "__main__":
    main()
