"""What was promised and not kept: compares what went in with what came out, however either came about."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from tests.faults.history import History, Seen, Word


@dataclass
class Record:
    """What the product itself says in the end, as far as people outside cannot see it."""

    ended: dict[str, str] = field(default_factory=dict)
    """By mark, the state of the message."""
    kept_as: dict[str, list[str]] = field(default_factory=dict)
    """By mark, the ids of the messages that there are of it."""
    flagged: set[str] = field(default_factory=set)
    """Ids of what may have been sent twice, and says so."""
    audit_gaps: list[str] = field(default_factory=list)
    """What was done and is not in the trail, or the other way round, or a trail that does not verify."""
    secrets_found: list[str] = field(default_factory=list)
    """Places outside the vault at which something secret lies open."""


TOLD: frozenset[str] = frozenset({"passed", "refused", "stopped", "failed", "deleted", "quarantined"})
"""States of a contact's message that need no answer of the employee's: people have it, or the contact was told."""

KINDS: Final = ("lost", "doubled", "out_of_order", "wrong_tenant", "after_takeover", "audit_gaps", "secrets_found")
"""Of what may be amiss: each is a field of the verdict."""


@dataclass
class Verdict:
    """Counts first, then what was amiss, by mark, thread or id. Nothing amiss: the lists are empty."""

    seed: int
    faults: int = 0
    said: int = 0
    taken: int = 0
    answered: int = 0
    told: int = 0
    """Taken, and ended with people or with a sentence instead of an answer."""
    repeated_posts: int = 0
    """Posts of words that had been taken before, or may have been."""
    flagged_copies: int = 0
    slowest_answers: list[float] = field(default_factory=list)
    """Seconds: median, 99th percentile and maximum of what the gateway took for a word."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    wrong_tenant: list[str] = field(default_factory=list)
    after_takeover: list[str] = field(default_factory=list)
    audit_gaps: list[str] = field(default_factory=list)
    secrets_found: list[str] = field(default_factory=list)

    @property
    def amiss(self) -> dict[str, list[str]]:
        return {kind: found for kind in KINDS if (found := getattr(self, kind))}

    def counts(self) -> dict[str, object]:
        """As JSON takes it, with how many there are of each kind of what is amiss."""
        return {name: len(value) if name in KINDS else value for name, value in asdict(self).items()}

    def __str__(self) -> str:
        return json.dumps(self.counts())


def check(history: History, record: Record) -> Verdict:
    verdict = Verdict(history.seed, faults=len(history.faults), said=len(history.words))
    taken = [word for word in history.words if word.taken_at is not None]
    verdict.taken = len(taken)
    verdict.repeated_posts = sum(word.tries - 1 for word in history.words if word.tries > 1)
    verdict.slowest_answers = _spread(sorted(word.longest_answer for word in history.words))
    answers = [seen for seen in history.seen if not seen.is_notice]
    by_mark: defaultdict[str, list[Seen]] = defaultdict(list)
    for answer in answers:
        for mark in answer.marks:
            by_mark[mark].append(answer)
    for word in taken:
        if by_mark[word.mark]:
            verdict.answered += 1
        elif record.ended.get(word.mark) in TOLD:
            verdict.told += 1
        else:
            verdict.lost.append(word.mark)
    # What was never acknowledged may be answered or not, but not twice either.
    for word in history.words:
        _check_answers(word, by_mark[word.mark], record, verdict)
    _check_replies(history, verdict)
    verdict.flagged_copies = _flagged(answers, by_mark, record)
    verdict.wrong_tenant = _strays([*history.words, *history.replies], history.seen)
    verdict.out_of_order = _out_of_order(history.words, answers)
    verdict.after_takeover = [
        f"{answer.thread} {answer.carried}"
        for answer in answers
        for takeover in history.takeovers
        if answer.thread == takeover.thread and any(takeover.is_under_way(at) for at in (answer.at, *answer.added_at))
    ]
    verdict.audit_gaps, verdict.secrets_found = list(record.audit_gaps), list(record.secrets_found)
    return verdict


def _check_answers(word: Word, answers: list[Seen], record: Record, verdict: Verdict) -> None:
    """One answer, in one copy, unless it is flagged; and the word is kept once."""
    if len(kept_as := record.kept_as.get(word.mark, [])) > 1:
        verdict.doubled.append(f"{word.mark} is kept {len(kept_as)} times")
    if len({answer.carried for answer in answers} - record.flagged) > 1:
        verdict.doubled.append(f"{word.mark} has {len(answers)} different answers")
    for carried, count in _copies(answers).items():
        if count > 1 and carried not in record.flagged:
            verdict.doubled.append(f"{word.mark} has {count} copies of {carried or 'an answer without an id'}")


def _check_replies(history: History, verdict: Verdict) -> None:
    """What an agent said stands there, once."""
    said_by_agents = [seen for seen in history.seen if seen.is_notice]
    for reply in history.replies:
        shown = {seen.carried or str(seen.at) for seen in said_by_agents if reply.mark in seen.marks}
        if reply.taken_at is not None and not shown:
            verdict.lost.append(reply.mark)
        if len(shown) > 1:
            verdict.doubled.append(f"{reply.mark} stands there {len(shown)} times")


def _flagged(answers: Iterable[Seen], by_mark: Mapping[str, list[Seen]], record: Record) -> int:
    """Copies of an answer, and answers beside which there is another one, that say that they may be one too many."""
    copies = sum(count - 1 for carried, count in _copies(answers).items() if carried in record.flagged)
    beside = [{answer.carried for answer in answered} for answered in by_mark.values()]
    return copies + len({carried for each in beside if len(each) > 1 for carried in each & record.flagged})


def _copies(answers: Iterable[Seen]) -> Counter[str]:
    return Counter(answer.carried for answer in answers)


def _strays(words: Iterable[Word], seen: Iterable[Seen]) -> list[str]:
    """Marks that turned up elsewhere than in their own thread of their own tenant."""
    home = {word.mark: (word.tenant, word.thread) for word in words}
    return [
        f"{mark} in {each.tenant} {each.thread}"
        for each in seen
        for mark in each.marks
        if home.get(mark) != (each.tenant, each.thread)
    ]


def _out_of_order(words: Iterable[Word], answers: Iterable[Seen]) -> list[str]:
    """Threads in which a later word was answered before an earlier one. Of answers to a word the first one counts."""
    numbers = {word.mark: word.number for word in words}
    first: dict[tuple[str, str], Seen] = {}
    for answer in sorted(answers, key=lambda each: each.at):
        first.setdefault((answer.thread, answer.carried or str(answer.at)), answer)
    latest: dict[str, int] = {}
    found, over = [], set[str]()
    for answer in first.values():
        answered = [numbers[mark] for mark in answer.marks if mark in numbers and mark not in over]
        over.update(answer.marks)
        if answered and min(answered) < latest.get(answer.thread, -1):
            found.append(f"{answer.thread}: {min(answered)} after {latest[answer.thread]}")
        if answered:
            latest[answer.thread] = max(answered)
    return found


def _spread(ordered: list[float]) -> list[float]:
    if not ordered:
        return []
    return [round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 3) for part in (0.5, 0.99, 1.0)]
