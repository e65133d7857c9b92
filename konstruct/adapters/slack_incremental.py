"""A model's Markdown made harmless while it is written: what of an unfinished text may be shown now.

All that is shown comes to what ``slack_text.harmless`` makes of the whole text, however it was cut into pieces. Each
stage holds back what it cannot decide yet, and hands on the rest. Two things differ: more than a hundred blanks before
the fence that ends code become a line of their own, and of so many at the beginning of a message few are left.
"""

import re
from bisect import bisect_right
from typing import Final

from konstruct.adapters import slack_text
from konstruct.adapters.cutting import is_visible
from konstruct.adapters.slack_text import (
    AT,
    CALL,
    CODE_SPAN,
    FENCE,
    LABELLED_LINK,
    LESS_THAN,
    LINK_ADDRESS,
    LINK_LABEL,
    LONGEST_ADDRESS,
    LONGEST_CODE_SPAN,
    LONGEST_LABEL,
    LONGEST_NAME,
    SCHEME,
)
from konstruct.channels import SLACK

LONGEST_HELD: Final = 1_000
"""Characters. Only a link or a command that does not end is held for so long; of other text, a word."""

LONGEST_RUN: Final = 16
"""Of backticks, tildes or exclamation marks in a clean text."""

_LONGEST_FENCE: Final = 12 + LONGEST_RUN + 2
_LONGEST_LOOK_ALIKE: Final = 40
_LONGEST_WORD: Final = 80
_MOST_BLANKS: Final = 100
_FEW_BLANKS: Final = 20

_LIKE_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[^`\n]{0,200}")
_MAYBE_FENCE = re.compile(r"[ \t]{0,12}(?:`{0,2}|~{0,2}|(?:`{3,}|~{3,})[^`\n]{0,200})")

# What the end of a text may yet become. It may hold back too much, but never too little.
_MAYBE_LINK: Final = (
    rf"<(?:{SCHEME}(?::{LINK_ADDRESS}{{0,{LONGEST_ADDRESS}}}(?:\|{LINK_LABEL}{{0,{LONGEST_LABEL}}})?)?)?\Z"
)
_MAYBE_IMAGE = re.compile(rf"!+\[?\Z|!*{_MAYBE_LINK}", re.IGNORECASE)
_OTHER_IN_CODE = re.compile(rf"!+[\[<]|{LABELLED_LINK.pattern}|{_MAYBE_IMAGE.pattern}", re.IGNORECASE)
_MAYBE_ENTITY: Final = r"&[\#a-z\d]{0,14};?"
_MAYBE_COMMAND = re.compile(
    rf"""{_MAYBE_ENTITY}\Z
      | {LESS_THAN}\\?(?:
            !(?:-|d\w{{0,6}})?
          | (?:{AT}|\#)[\w.-]{{0,{LONGEST_NAME}}}(?:&g?)?
          | {_MAYBE_ENTITY}
          | {SCHEME}(?::[^\s<>|]{{0,{LONGEST_ADDRESS}}})?
        )?\Z
      | {CALL}[a-z]{{0,8}}\Z""",
    re.IGNORECASE | re.VERBOSE,
)

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_TICKS = re.compile("`+")
_LINE_START = re.compile(r"(?<=\n)")
_WORD_START = re.compile(r"(?<=\s)(?=\S)")
_HEADING_MARKS = re.compile(r"^[ \t]*#{1,6}[ \t]+\Z", re.MULTILINE)
_ANYWHERE = re.compile(r"(?<=.)", re.DOTALL)


class Incremental:
    """One answer, shown piece by piece in one message, or in several when it is longer than one may be.

    shown = text.feed(piece)            # as often as there is a piece, and text.finish() at the end
    while text.is_full:                 # the message holds no more
        end(shown + text.next_message())
        shown = text.feed("")           # begins the next one; after finish(), finish() again
    """

    def __init__(self) -> None:
        self._characters = _Characters()
        self._fences = _Fences()
        self._commands = _Commands()
        self._is_finished = False
        self._waiting = ""
        self._page = ""
        self._spare = SLACK.longest_text
        """No more than the room there is: to count all of the message anew for each piece would take too long."""
        self.is_full = False
        """What waits belongs into the next message."""

    @property
    def room(self) -> int:
        """Characters that the message still holds, as many as Slack counts; more are never shown at once."""
        return max(0, SLACK.longest_text - _size(self._page))

    def feed(self, piece: str) -> str:
        """What may be shown now, to be appended to what was; often nothing."""
        self._waiting += self._harmless(self._characters.feed(piece))
        return self._show()

    def finish(self) -> str:
        """The rest. Code that was left open is closed."""
        if not self._is_finished:
            self._is_finished = True
            self._waiting += self._harmless("")
        return self._show()

    def next_message(self) -> str:
        """What is still to be appended to this message, which closes its code. The next one goes on with it.

        All that is not shown yet becomes a text of its own: what was code, or was none, by what is now in another
        message, is looked at anew.
        """
        rest = self._waiting + self._commands.held + self._fences.held
        is_line_cut = self._page != "" and not self._page.endswith("\n")
        if is_line_cut and rest.lstrip()[:1] in ("", "`", "~"):
            # What was no fence within its line is none at the beginning of a message either.
            rest = slack_text.GAP + rest
        *_, code = slack_text.blocks(self._page)
        if code.opening:
            rest = rest.removeprefix(code.closing) if rest.startswith(code.closing) else code.opening + rest
        self._fences, self._commands = _Fences(), _Commands()
        self._page, self._spare, self.is_full = "", SLACK.longest_text, False
        self._waiting = self._harmless(rest)
        return f"\n{code.closing}" if code.opening and is_line_cut else code.closing

    def _harmless(self, clean: str) -> str:
        known = self._commands.feed(self._fences.feed(clean))
        return (
            known + self._commands.feed(self._fences.finish()) + self._commands.finish() if self._is_finished else known
        )

    def _show(self) -> str:
        """Slack may lose blanks with which a piece begins, and people read words: a piece ends before a word.

        Nor does it take a message in which there is nothing to see.
        """
        if self.is_full:
            return ""
        if not self._page:
            self._waiting = _without_many_blanks(self._waiting)
        shown = self._waiting if self._is_finished else self._up_to_a_seam()
        if not self._fits(shown):
            shown = shown[: self._most_that_fits(shown)]
            self.is_full = True
        if not self._page and not is_visible(shown):
            return ""
        self._waiting = self._waiting[len(shown) :]
        self._page += shown
        return shown

    def _up_to_a_seam(self) -> str:
        shown = self._waiting[: _seam(self._waiting)]
        while shown and not self._may_end(shown):
            shown = shown.rstrip()
            shown = shown[: _seam(shown)]
        return shown

    def _may_end(self, shown: str) -> bool:
        """Whether the message may end with this, for now or for good.

        Not with a line that looks like a fence and goes on; not with ``@here`` of ``@hereabouts``; and not within code
        in a line, if without its end something in it would be an image.
        """
        page = self._page + shown
        line = page[page.rfind("\n") + 1 :]
        if _LIKE_FENCE.fullmatch(line) or slack_text.COMMAND.search(page, max(0, len(page) - _LONGEST_LOOK_ALIKE)):
            return False
        return "`" not in line or "![" not in line or slack_text.harmless(page).startswith(page)

    def _fits(self, text: str) -> bool:
        if _most_size(text) > self._spare:
            self._spare = SLACK.longest_text - _size(self._page + text)
            return self._spare >= 0
        self._spare -= _most_size(text)
        return True

    def _most_that_fits(self, text: str) -> int:
        """Where the message ends, best between lines. Nowhere when a line had better begin in the next message."""
        if end := self._last_that_fits(_LINE_START, text):
            return end
        if self._page.endswith("\n"):
            return 0
        end = self._last_that_fits(_WORD_START, text)
        return end if end or self._page else self._last_that_fits(_ANYWHERE, text)

    def _last_that_fits(self, boundary: re.Pattern[str], text: str) -> int:
        ends = [found.start() for found in boundary.finditer(text)]
        fitting = bisect_right(ends, SLACK.longest_text, key=lambda end: _size(self._page + text[:end]))
        for end in reversed(ends[:fitting]):
            if _size(self._page + text[:end]) <= SLACK.longest_text and self._may_end(text[:end]):
                return end
        return 0


class _Characters:
    """Line ends, unwanted characters and long runs. Holds nothing back."""

    def __init__(self) -> None:
        self._after_return = False
        self._run = ""

    def feed(self, piece: str) -> str:
        if not piece:
            return ""
        if self._after_return and piece[0] == "\n":
            self._after_return = False
            return self.feed(piece[1:])
        self._after_return = piece[-1] == "\r"
        clean = slack_text.clean(self._run + piece)[len(self._run) :]
        self._run = (self._run + clean)[-LONGEST_RUN:]
        return clean


class _Fences:
    """Tells prose from code, by lines. Holds back the beginning of a line that may be a fence."""

    def __init__(self) -> None:
        self._prose = _Prose()
        self._fence: re.Match[str] | None = None
        self._held = ""
        self._is_inside_line = False
        self._is_code_whole = True
        """Whether the code so far ends with its line, as its closing fence needs."""

    @property
    def held(self) -> str:
        return self._prose.held + self._held

    def feed(self, text: str) -> str:
        return "".join(map(self._feed_line, _LINE.findall(text)))

    def _feed_line(self, part: str) -> str:
        if self._is_inside_line:
            return self._hand_on(part)
        self._held += part
        if not self._held.endswith("\n") and self._is_undecided():
            return self._flush_blanks()
        return self._decide()

    def _is_undecided(self) -> bool:
        if self._fence is None:
            return _MAYBE_FENCE.fullmatch(self._held) is not None
        mark = self._fence["ticks"][0]
        return not self._held.strip().strip(mark) and len(self._held) <= 2 * _MOST_BLANKS + LONGEST_RUN

    def _flush_blanks(self) -> str:
        """So many are no indentation of anything; the line may still end the code."""
        if len(self._held) <= _MOST_BLANKS or not self._held.isspace():
            return ""
        blanks, self._held = self._held, ""
        self._is_code_whole = False
        return blanks

    def _decide(self) -> str:
        line, self._held = self._held, ""
        if self._fence is None:
            if fence := FENCE.fullmatch(line):
                self._fence = fence
                self._is_code_whole = True
                return slack_text.opening(fence)
            line = slack_text.without_false_fences(line)
        elif slack_text.closes(line, self._fence):
            return self._close(self._fence)
        return self._hand_on(line)

    def _hand_on(self, part: str) -> str:
        self._is_inside_line = not part.endswith("\n")
        if self._fence is None:
            return self._prose.feed(part)
        self._is_code_whole = not self._is_inside_line
        return part

    def _close(self, fence: re.Match[str]) -> str:
        edge = f"{fence['margin']}{fence['ticks']}\n"
        self._fence = None
        self._is_inside_line = False
        return edge if self._is_code_whole else f"\n{edge}"

    def finish(self) -> str:
        rest = self._decide() if self._held else ""
        return rest + (self._prose.finish() if self._fence is None else self._close(self._fence))


class _Prose:
    """Images and labelled links, by lines. Holds back what may become one.

    After a backtick it may be open whether what follows is code. Until then all is shown that is the same in both
    cases, and the line is kept from there on.
    """

    def __init__(self) -> None:
        self._kept = ""
        self._shown = 0
        """How much of what is kept was shown already, as it is."""

    @property
    def held(self) -> str:
        return self._kept[self._shown :]

    def feed(self, text: str) -> str:
        return "".join(self._feed_part(part, is_last=part.endswith("\n")) for part in _LINE.findall(text))

    def finish(self) -> str:
        return self._feed_part("", is_last=True)

    def _feed_part(self, part: str, *, is_last: bool) -> str:
        decided, rest = _decided(self._kept + part, is_last=is_last)
        same = 0
        if rest.startswith("`"):
            differs = _OTHER_IN_CODE.search(rest)
            same = differs.start() if differs else len(rest)
        shown = (decided + rest[:same])[self._shown :]
        self._kept, self._shown = rest, same
        return shown


def _decided(line: str, *, is_last: bool) -> tuple[str, str]:
    """What of a line can be said for sure, made harmless, and the rest of it."""
    done: list[str] = []
    at = 0
    while ticks := _TICKS.search(line, at):
        done.append(slack_text.without_images(line[at : ticks.start()]))
        code = CODE_SPAN.match(line, ticks.start())
        # More backticks may come, and a run of another length ends no code.
        if code and (is_last or code.end() < len(line)):
            done.append(code[0])
            at = code.end()
        elif is_last or len(line) - ticks.end() > LONGEST_CODE_SPAN + LONGEST_RUN:
            done.append(ticks[0])
            at = ticks.end()
        else:
            return "".join(done), line[ticks.start() :]
    undecided = None if is_last else _MAYBE_IMAGE.search(line, at)
    end = undecided.start() if undecided else len(line)
    return "".join([*done, slack_text.without_images(line[at:end])]), line[end:]


class _Commands:
    """Mentions and other commands, in code too. Holds back what may become one."""

    def __init__(self) -> None:
        self._before = ""
        self.held = ""

    def feed(self, text: str) -> str:
        text = self._before + self.held + text
        start = len(self._before)
        undecided = _MAYBE_COMMAND.search(text, start)
        return self._hand_on(text, start, undecided.start() if undecided else len(text))

    def finish(self) -> str:
        return self._hand_on(self._before + self.held, len(self._before), len(self._before + self.held))

    def _hand_on(self, text: str, start: int, end: int) -> str:
        shown = slack_text.without_commands(text, start, end)
        # Whether an @ calls somebody depends on the three characters before it.
        self._before, self.held = text[max(0, end - 3) : end], text[end:]
        return shown


def _seam(text: str) -> int:
    """The start of the last word, or of its last character if it is very long; the end when there are only blanks.

    The first word of a heading does not come apart from its marks.
    """
    visible = len(text.rstrip())
    if len(text) - visible > _MOST_BLANKS:
        return len(text)
    *_, end = 0, *(found.start() for found in _WORD_START.finditer(text))
    if visible - end > _LONGEST_WORD:
        return visible - 1
    heading = _HEADING_MARKS.search(text, 0, end)
    return heading.start() if heading else end


def _without_many_blanks(text: str) -> str:
    """The last of the blanks before a word stay: a fence comes after none or few, and what is none is not to be one."""
    blanks = next((number for number, char in enumerate(text) if is_visible(char)), len(text))
    line = text.rfind("\n", 0, blanks) + 1
    return text[max(line, blanks - _FEW_BLANKS) :] if blanks > _MOST_BLANKS else text


def _size(page: str) -> int:
    """What Slack counts at most, with the fence that closes open code."""
    return sum(slack_text.weight(block.text) for block in slack_text.blocks(page))


def _most_size(text: str) -> int:
    """What a text may add to a message: each # may make a heading, each backtick or tilde a fence to be closed, and a
    line that is cut within code ends before that fence."""
    return (
        slack_text.stored_length(text)
        + len("\n")
        + slack_text.HEADING_WEIGHT * text.count("#")
        + _LONGEST_FENCE * (text.count("`") + text.count("~"))
    )
