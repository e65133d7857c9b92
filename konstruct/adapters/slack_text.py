"""Turns a model's Markdown into parts that Slack takes and that can do no harm there. Pure functions, no calls."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

PART_SIZE: Final = 11_000
"""A markdown block may hold 12,000 characters, but what Slack makes of it only about 13,200 and 50 blocks."""

HEADING_WEIGHT: Final = 500
"""Each heading ends a block and makes one of its own, so a part must not have many."""

SECTION_SIZE: Final = 3_000
FALLBACK_SIZE: Final = 300

GAP: Final = "\u200b"
_JOINER: Final = "\u200d"
_LONGEST_CLUSTER: Final = 100

_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")
# Beside control characters: orders to turn the direction of text, which disguise links, and halves of
# characters, which no JSON may hold.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
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
_PARAGRAPH = re.compile(r".+?(?:\n(?:[ \t]*\n)+|\Z)", re.DOTALL)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SENTENCE = re.compile(rf"(?:{_UNBROKEN}|.)+?(?:[.!?…][\"'”’)\]]*\s+|[。！？]|\Z)", re.DOTALL)
_WORD = re.compile(rf"(?:{_UNBROKEN}|\S)+\s*|\s+")

_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+(.+)$", re.MULTILINE)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?|(?:`{3,}|~{3,}).*)|\*\*|`+", re.MULTILINE)


def split(text: str) -> list[str]:
    """Parts for one ``markdown`` block each, in order; text without anything to see is a ValueError."""
    parts = _parts(harmless(text), PART_SIZE)
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
    return next(_fill(_cut(text, most - 1, (_WORD,), stored_length), most - 1, stored_length)).rstrip() + "…"


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
    return _LONG_RUN.sub(r"\1\2", _UNWANTED.sub("", _LINE_END.sub("\n", text)))


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
    for line in _LINE.findall(text):
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
    return [part.strip("\n") for part in _fill(_pieces(text, limit), limit, weight) if is_visible(part)]


def _pieces(text: str, limit: int) -> Iterator[str]:
    for block in blocks(text):
        if not block.opening:
            yield from _cut(block.body, limit, (_PARAGRAPH, _LINE, _SENTENCE, _WORD), weight)
        elif stored_length(block.text) <= limit:
            yield block.text
        else:
            room = limit - stored_length(block.opening + block.closing) - 1
            for body in _fill(_cut(block.body, room, (_LINE,), stored_length), room, stored_length):
                yield block.opening + body + ("" if body.endswith("\n") else "\n") + block.closing


def _cut(text: str, limit: int, units: Sequence[re.Pattern[str]], measure: Callable[[str], int]) -> Iterator[str]:
    """Pieces no longer than the limit, cut at the first kind of unit that is short enough."""
    if measure(text) <= limit:
        yield text
    elif units:
        for unit in units[0].finditer(text):
            yield from _cut(unit[0], limit, units[1:], measure)
    else:
        yield from _clusters(text)


def _clusters(text: str) -> Iterator[str]:
    """What people see as one character: an accent, a flag or a family is not cut in two."""
    cluster = ""
    for char in text:
        if cluster and not (_extends(cluster, char) and len(cluster) < _LONGEST_CLUSTER):
            yield cluster
            cluster = ""
        cluster += char
    yield cluster


def _extends(cluster: str, char: str) -> bool:
    if "\U0001f1e6" <= char <= "\U0001f1ff":  # Two such letters are one flag.
        return len(cluster) == 1 and "\U0001f1e6" <= cluster <= "\U0001f1ff"
    return (
        cluster[-1] == _JOINER
        or char == _JOINER
        or unicodedata.category(char).startswith("M")
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
        or "\u1160" <= char <= "\u11ff"
    )


def _fill(pieces: Iterable[str], limit: int, measure: Callable[[str], int]) -> Iterator[str]:
    """Joins neighbours as long as they fit together."""
    joined: list[str] = []
    size = 0
    for piece in pieces:
        more = measure(piece)
        if joined and size + more > limit:
            yield "".join(joined)
            joined, size = [], 0
        joined.append(piece)
        size += more
    yield "".join(joined)


def stored_length(text: str) -> int:
    """As Slack may count at most: in UTF-16, with its three special characters as the entities that it stores."""
    entities = 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))
    return len(text.encode("utf-16-le")) // 2 + entities


def weight(piece: str) -> int:
    headings = 0 if FENCE.match(piece) else len(_HEADING.findall(piece))
    return stored_length(piece) + headings * HEADING_WEIGHT


def is_visible(text: str) -> bool:
    return any(char.isprintable() and not char.isspace() for char in text)
