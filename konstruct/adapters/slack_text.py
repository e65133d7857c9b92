"""Turns a model's Markdown into parts that Slack takes and that can do no harm there. Pure functions, no calls."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from konstruct.adapters.cutting import LINE, PARAGRAPH, cut, fenced, fill, is_visible, utf16_length, without_unwanted
from konstruct.channels import SLACK

HEADING_WEIGHT: Final = 500
"""Each heading ends a block and makes one of its own, so a part must not have many."""

SECTION_SIZE: Final = 3_000
FALLBACK_SIZE: Final = 300

GAP: Final = "\u200b"
_LONG_RUN = re.compile(r"(`{16}|~{16})[`~]+|(!{16})!+")

# What is looked for has a longest length each, so that a text can be made harmless before its end is known: see
# slack_incremental. What is longer is taken for the worse of what it may be.
LONGEST_CODE_SPAN: Final = 250
LONGEST_ADDRESS: Final = 500
LONGEST_LABEL: Final = 200
LONGEST_NAME: Final = 80

FENCE = re.compile(r"(?P<margin>[ \t]{0,12})(?P<ticks>`{3,}|~{3,})(?P<language>[^`\n]{0,200})(?:\n|\Z)")
# Slack may take for a fence what is too long to be one here, and one that is taken for prose turns all that follow.
_FALSE_FENCE = re.compile(r"^([ \t]{0,12})(?=(?:`{3,}|~{3,})[^`\n]{201})", re.MULTILINE)
_NO_LANGUAGE = re.compile("[<>&@]")
CODE_SPAN = re.compile(rf"(?<!`)(?P<ticks>`+)(?!`)[^\n]{{0,{LONGEST_CODE_SPAN}}}?(?<!`)(?P=ticks)(?!`)")
_IMAGE = re.compile(r"(?<!!)!+\[(\])?")
SCHEME: Final = r"[a-z][a-z0-9+.-]{0,30}"
LINK_ADDRESS: Final = r"[^\s<>|()`]"
LINK_LABEL: Final = r"[^<>\[\]\n`]"
LABELLED_LINK = re.compile(
    rf"<({SCHEME}:{LINK_ADDRESS}{{1,{LONGEST_ADDRESS}}})\|({LINK_LABEL}{{0,{LONGEST_LABEL}}})>", re.IGNORECASE
)

# What Slack reads as a mention of a person, a group or a channel, a date or a disguised link; HTML's comments
# and declarations look alike and are let be.
LESS_THAN: Final = r"(?:<|&lt;?|&\#0{0,8}60;?|&\#x0{0,8}3c;?)"
AT: Final = r"(?:@|&commat;|&\#0{0,8}64;?|&\#x0{0,8}40;?)"
# Within a word an @ calls nobody, but the end of an entity is no word.
CALL: Final = rf"(?:(?<![\w.+-])|(?<=&lt)|(?<=[\#0]60)|(?<=[x0]3c)){AT}"
COMMAND = re.compile(
    rf"""{LESS_THAN}(?=\\?(?:
            !(?!--|doctype|\[)
          | (?:{AT}|\#)(?:[\w.-]{{1,{LONGEST_NAME}}}(?:[|>]|&gt|&\#)|[\w.-]{{{LONGEST_NAME + 1}}})
          | {SCHEME}:(?:[^\s<>|]{{0,{LONGEST_ADDRESS}}}\||[^\s<>|]{{{LONGEST_ADDRESS + 1}}})))
      | {CALL}(?=(?:channel|here|everyone)\b)
      | &\#x?(?=0{{9}})""",
    re.IGNORECASE | re.VERBOSE,
)

_LINK = re.compile(r"\[([^\[\]\n]{1,500})\]\(([^()\s]{1,2000})\)")
_UNBROKEN: Final = rf"{_LINK.pattern}|`[^`\n]+`"
_SENTENCE = re.compile(rf"(?:{_UNBROKEN}|.)+?(?:[.!?…][\"'”’)\]]*\s+|[。！？]|\Z)", re.DOTALL)
_WORD = re.compile(rf"(?:{_UNBROKEN}|\S)+\s*|\s+")

_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+(.+)$", re.MULTILINE)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?|(?:`{3,}|~{3,}).*)|\*\*|`+", re.MULTILINE)


def split(text: str) -> list[str]:
    """Parts for one ``markdown`` block each, in order; text without anything to see is a ValueError."""
    parts = _parts(harmless(text), SLACK.longest_text)
    if not parts:
        raise ValueError("There is nothing to say.")
    return parts


def fallback(part: str) -> str:
    """What a notification shows of a part: its beginning without marks, as escaped mrkdwn on one line."""
    plain = " ".join(_MARKS.sub("", _HEADING.sub(r"\1", _LINK.sub(r"\1", part))).split())
    return html.escape(beginning(plain, FALLBACK_SIZE), quote=False) or "…"


def beginning(text: str, most: int) -> str:
    """The text, or as many whole words of it as fit and an ellipsis; ``most``: as ``stored_length`` counts."""
    if stored_length(text) <= most:
        return text
    return next(fill(cut(text, most - 1, (_WORD,), stored_length), most - 1, stored_length)).rstrip() + "…"


def sections(part: str) -> list[str]:
    """The part as escaped mrkdwn for ``section`` blocks, for a workspace that refuses markdown blocks."""
    prose = "".join(
        block.text if block.opening else _BOLD.sub(r"*\1*", _HEADING.sub(r"*\1*", _LINK.sub(r"\1 (\2)", block.body)))
        for block in blocks(part)
    )
    return _parts(html.escape(prose, quote=False), SECTION_SIZE)


def harmless(text: str) -> str:
    """The same Markdown, which calls nobody and fetches nothing."""
    prose_and_code = (
        block.text if block.opening else _tame(without_false_fences(block.body)) for block in blocks(clean(text))
    )
    return without_commands("".join(prose_and_code))


def clean(text: str) -> str:
    """One kind of line ends, no characters that nobody sees, and no run of marks that nobody needs."""
    return _LONG_RUN.sub(r"\1\2", without_unwanted(text))


def without_false_fences(prose: str) -> str:
    return _FALSE_FENCE.sub(rf"\1{GAP}", prose)


def _tame(prose: str) -> str:
    pieces, end = [], 0
    for code in CODE_SPAN.finditer(prose):
        pieces += [without_images(prose[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, without_images(prose[end:])])


def without_images(outside_code: str) -> str:
    """Images become links: a picture that is fetched on sight can carry a conversation out in its address."""
    linked = LABELLED_LINK.sub(r"[\2](\1)", outside_code)
    return _IMAGE.sub(lambda found: "[image]" if found[1] else "[", linked)


def without_commands(text: str, start: int = 0, end: int | None = None) -> str:
    """Slack's commands from ``start`` to ``end`` broken, as they are in the whole text; what is before is left out.

    A zero-width space breaks them, and no entity, because a markdown block shows entities in code as they are written.
    """
    pieces = []
    for found in COMMAND.finditer(text, start):
        if end is not None and found.start() >= end:
            break
        pieces += [text[start : found.end()], GAP]
        start = found.end()
    return "".join([*pieces, text[start:end]])


@dataclass(frozen=True)
class Block:
    """Prose, or fenced code with the lines that open and close it."""

    body: str
    opening: str = ""
    closing: str = ""

    @property
    def text(self) -> str:
        return self.opening + self.body + self.closing


def blocks(text: str) -> Iterator[Block]:
    """Prose and code in turn. Code that was left open, as in an answer cut short, is closed."""
    lines: list[str] = []
    fence: re.Match[str] | None = None
    for line in LINE.findall(text):
        if fence is None:
            fence = FENCE.fullmatch(line)
            if fence is None:
                lines.append(line)
                continue
            yield Block("".join(lines))
        elif closes(line, fence):
            yield _code(lines, fence)
            fence = None
        else:
            lines.append(line)
            continue
        lines = []
    yield Block("".join(lines)) if fence is None else _code(lines, fence)


def closes(line: str, fence: re.Match[str]) -> bool:
    ticks = line.strip()
    return len(ticks) >= len(fence["ticks"]) and not ticks.strip(fence["ticks"][0])


def _code(lines: Sequence[str], fence: re.Match[str]) -> Block:
    body = "".join(lines)
    if body and not body.endswith("\n"):
        body += "\n"
    edge = fence["margin"] + fence["ticks"]
    return Block(body, opening=opening(fence), closing=f"{edge}\n")


def opening(fence: re.Match[str]) -> str:
    """Nobody is shown the language of code, so that what could be a command is left out of it."""
    language = _NO_LANGUAGE.sub(" ", fence["language"]).rstrip()
    return f"{fence['margin']}{fence['ticks']}{language}\n"


def _parts(text: str, limit: int) -> list[str]:
    return [part.strip("\n") for part in fill(_pieces(text, limit), limit, weight) if is_visible(part)]


def _pieces(text: str, limit: int) -> Iterator[str]:
    for block in blocks(text):
        if not block.opening:
            yield from cut(block.body, limit, (PARAGRAPH, LINE, _SENTENCE, _WORD), weight)
        elif stored_length(block.text) <= limit:
            yield block.text
        else:
            yield from fenced(block.opening, block.body, block.closing, limit, stored_length)


def stored_length(text: str) -> int:
    """As Slack may count at most: in UTF-16, with its three special characters as the entities that it stores."""
    entities = 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))
    return utf16_length(text) + entities


def weight(piece: str) -> int:
    headings = 0 if FENCE.match(piece) else len(_HEADING.findall(piece))
    return stored_length(piece) + headings * HEADING_WEIGHT
