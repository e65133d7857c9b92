"""The plan of a handoff that waits: days in it by example, and what holds for every one of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from konstruct.desk import hours
from konstruct.desk.people import Group, Person
from konstruct.desk.plan import (
    LONGEST_WAIT,
    MOST_NOTICES,
    Action,
    Due,
    Email,
    GiveUp,
    Remind,
    Ring,
    TellContact,
    Waiting,
    applied,
    plan,
    ringing,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ANNA = Person("anna", "Anna Berg", "U024BE7LH", "anna@example.com")
BEN = Person("ben", "Ben Okoro", "U024BE7LJ")
CARA = Person("cara", "Cara Diaz", None, "cara@example.com")
OFFICE = hours.read(
    "Europe/Vienna",
    dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-12:00, 13:00-17:00"),
)
ALL = Group("support", (ANNA, BEN, CARA))
IN_ORDER = replace(ALL, ring="in_order")
KEYS = ("anna", "ben", "cara")


def vienna(text: str) -> datetime:
    """A moment of the week of Monday, 30 November 2026, as ``mon 09:00``."""
    day, _, clock = text.partition(" ")
    hour, minute = clock.split(":")
    days = hours.DAYS.index(day)
    return datetime(2026, 11, 30, int(hour), int(minute), tzinfo=ZoneInfo("Europe/Vienna")) + timedelta(days=days)


MONDAY = vienna("mon 09:00")


class Day:
    """A handoff, looked at whenever its plan says so."""

    def __init__(self, group: Group, since: datetime = MONDAY, reply_deadline: datetime | None = None) -> None:
        self.group = group
        self.waiting = Waiting(since, reply_deadline=reply_deadline)
        self.log: list[tuple[datetime, Action]] = []
        self.next_at: datetime | None = since

    def look(self, now: datetime) -> tuple[Action, ...]:
        due = plan(self.group, self.waiting, now)
        self.waiting = applied(self.waiting, due.actions, now)
        self.log += [(now, action) for action in due.actions]
        self.next_at = due.next_at
        return due.actions

    def until(self, end: datetime) -> "Day":
        while self.next_at is not None and self.next_at <= end:
            self.look(self.next_at)
        return self

    def decline(self, *people: str) -> None:
        self.waiting = replace(self.waiting, not_now=self.waiting.not_now | set(people))

    def of(self, kind: type[Action], since: datetime = MONDAY) -> list[tuple[int, Action]]:
        """What was done of a kind, with the minutes since the beginning."""
        return [((at - since) // MINUTE, action) for at, action in self.log if isinstance(action, kind)]


def test_all_ring_at_once_and_the_contact_is_told_that_a_person_was_asked() -> None:
    day = Day(ALL)
    assert day.look(MONDAY) == (Ring(KEYS), TellContact("asked"))
    assert day.next_at == MONDAY + 10 * MINUTE


def test_all_who_ring_are_reminded_and_not_rung_again() -> None:
    day = Day(ALL).until(MONDAY + HOUR)
    assert day.of(Ring) == [(0, Ring(KEYS))]
    assert day.of(Remind) == [(minutes, Remind(KEYS)) for minutes in (15, 30, 45, 60)]


def test_in_order_one_after_the_other_rings_and_after_the_last_the_first_again() -> None:
    day = Day(IN_ORDER).until(MONDAY + 20 * MINUTE)
    assert day.of(Ring) == [
        (0, Ring(("anna",))),
        (5, Ring(("ben",))),
        (10, Ring(("cara",))),
        (15, Ring(("anna",))),
        (20, Ring(("ben",))),
    ]
    assert day.of(Remind) == [(15, Remind(KEYS))]


def test_who_says_not_now_is_passed_over_at_once() -> None:
    day = Day(IN_ORDER)
    day.look(MONDAY)
    day.decline("anna")
    assert day.look(MONDAY + MINUTE) == (Ring(("ben",)),)
    assert day.next_at == MONDAY + 6 * MINUTE
    day.until(MONDAY + 11 * MINUTE)
    assert day.of(Ring)[2:] == [(6, Ring(("cara",))), (11, Ring(("ben",)))]


def test_who_says_not_now_is_not_reminded_unless_everybody_said_so() -> None:
    day = Day(ALL).until(MONDAY)
    day.decline("ben")
    day.until(MONDAY + 15 * MINUTE)
    assert ringing(ALL, day.waiting) == (ANNA, CARA)
    day.decline("anna", "cara")
    day.until(MONDAY + 30 * MINUTE)
    assert day.of(Remind) == [(15, Remind(("anna", "cara"))), (30, Remind(KEYS))]


def test_when_everybody_said_not_now_they_ring_on_in_order_and_not_at_once() -> None:
    day = Day(IN_ORDER).until(MONDAY)
    day.decline("anna", "ben", "cara")
    assert day.look(MONDAY + MINUTE) == ()
    day.until(MONDAY + 10 * MINUTE)
    assert day.of(Ring)[1:] == [(5, Ring(("ben",))), (10, Ring(("cara",)))]


def test_somebody_who_left_the_group_is_passed_over() -> None:
    day = Day(IN_ORDER).until(MONDAY)
    day.group = replace(IN_ORDER, people=(BEN, CARA))
    assert day.look(MONDAY + MINUTE) == (Ring(("ben",)),)


def test_those_who_ring_are_written_to_once_each_if_they_have_an_address() -> None:
    day = Day(ALL).until(MONDAY + HOUR)
    assert day.of(Email) == [(10, Email(("anna", "cara")))]
    day = Day(IN_ORDER).until(MONDAY + HOUR)
    assert day.of(Email) == [(10, Email(("cara",))), (15, Email(("anna",)))]


def test_while_it_is_closed_nobody_rings_and_the_contact_is_told_when_they_are_back() -> None:
    saturday = vienna("sat 19:00")
    day = Day(replace(ALL, hours=OFFICE), saturday)
    back_at = vienna("mon 09:00") + timedelta(days=7)
    assert day.look(saturday) == (TellContact("closed", back_at),)
    assert day.next_at == back_at
    assert day.look(back_at) == (Ring(KEYS),)
    day.until(back_at + 30 * MINUTE)
    assert day.of(Remind, back_at) == [(15, Remind(KEYS)), (30, Remind(KEYS))]
    assert day.of(Email, back_at) == [(10, Email(("anna", "cara")))]
    assert day.of(TellContact, back_at)[1:] == [(30, TellContact("still_waiting"))]


def test_when_it_closes_the_contact_is_told_and_what_had_begun_goes_on_afterwards() -> None:
    since = vienna("mon 16:53")
    day = Day(replace(IN_ORDER, hours=OFFICE), since).until(vienna("tue 09:10"))
    morning = vienna("tue 09:00")
    assert day.of(Ring, morning)[1:] == [
        ((vienna("mon 16:58") - morning) // MINUTE, Ring(("ben",))),
        (3, Ring(("cara",))),
        (8, Ring(("anna",))),
    ]
    assert day.of(Email, morning) == [(3, Email(("cara",))), (8, Email(("anna",)))]
    assert [(at, action) for at, action in day.log if isinstance(action, TellContact)] == [
        (since, TellContact("asked")),
        (vienna("mon 17:00"), TellContact("closed", morning)),
    ]


def test_nothing_is_asked_of_people_in_the_minute_in_which_they_close() -> None:
    day = Day(replace(IN_ORDER, hours=OFFICE), vienna("mon 16:55")).until(vienna("mon 17:00"))
    assert [action for at, action in day.log if at == vienna("mon 17:00")] == [
        TellContact("closed", vienna("tue 09:00"))
    ]
    assert day.next_at == vienna("tue 09:00")


def test_a_contact_is_told_five_times_that_they_still_wait() -> None:
    day = Day(replace(ALL, give_up_after=24 * HOUR)).until(MONDAY + 23 * HOUR)
    told = day.of(TellContact)
    assert told == [(0, TellContact("asked"))] + [(30 * n, TellContact("still_waiting")) for n in range(1, 6)]
    assert day.waiting.told_count == MOST_NOTICES


def test_after_so_much_open_time_it_is_given_up() -> None:
    day = Day(replace(ALL, hours=OFFICE, then="hand_back"), vienna("mon 16:00")).until(vienna("fri 17:00"))
    assert day.log[-1] == (vienna("tue 17:00"), GiveUp("hand_back"))
    assert plan(day.group, day.waiting, vienna("fri 17:00")) == Due((), None)


def test_however_rarely_it_is_open_it_is_given_up_some_time() -> None:
    rarely = replace(ALL, hours=hours.read("UTC", {"mon": "09:00-09:01"}))
    assert plan(rarely, Waiting(MONDAY), MONDAY + LONGEST_WAIT).actions == (GiveUp("apologise"),)
    never = replace(ALL, hours=hours.Hours("UTC", ((),) * 7))
    assert plan(never, Waiting(MONDAY), MONDAY) == Due((TellContact("closed"),), MONDAY + LONGEST_WAIT)


def test_without_people_only_the_contact_is_told() -> None:
    day = Day(Group("everyone")).until(MONDAY + 9 * HOUR)
    assert {type(action) for _, action in day.log} == {TellContact, GiveUp}
    assert day.log[-1] == (MONDAY + 8 * HOUR, GiveUp("apologise"))


def test_a_day_that_was_missed_is_made_up_for_once() -> None:
    day = Day(replace(IN_ORDER, give_up_after=72 * HOUR)).until(MONDAY + 6 * MINUTE)
    actions = day.look(MONDAY + 26 * HOUR)
    assert actions == (Ring(("cara",)), Remind(KEYS), Email(("cara",)), TellContact("still_waiting"))
    assert day.next_at == MONDAY + 26 * HOUR + 5 * MINUTE


def test_a_handoff_that_nobody_looked_at_for_a_day_begins_then() -> None:
    late = MONDAY + 26 * HOUR
    day = Day(replace(ALL, give_up_after=72 * HOUR))
    assert day.look(late) == (Ring(KEYS), Email(("anna", "cara")), TellContact("asked"))
    assert day.next_at == late + 15 * MINUTE
    assert Day(ALL).look(late) == (GiveUp("apologise"),)


def test_before_the_channels_deadline_people_are_reminded_and_the_contact_is_told() -> None:
    deadline = MONDAY + 4 * HOUR + 7 * MINUTE
    day = Day(replace(ALL, tell_contact_every=3 * HOUR), reply_deadline=deadline).until(MONDAY + 7 * HOUR)
    assert [(at, action) for at, action in day.of(Remind) if action != Remind(KEYS)] == [(187, Remind(KEYS, deadline))]
    assert day.of(TellContact) == [
        (0, TellContact("asked")),
        (180, TellContact("still_waiting")),
        (237, TellContact("deadline", deadline)),
    ]


def test_people_are_reminded_of_a_deadline_in_the_night_before_they_leave() -> None:
    deadline = vienna("mon 22:00")
    group = replace(ALL, hours=OFFICE, remind_every=24 * HOUR)
    day = Day(group, vienna("mon 10:00"), deadline).until(vienna("mon 23:00"))
    assert [at for at, action in day.log if isinstance(action, Remind)] == [vienna("mon 16:00")]
    assert day.log[-1] == (vienna("mon 21:50"), TellContact("deadline", deadline))


def test_a_deadline_that_was_missed_is_not_told_and_neither_is_anything_else() -> None:
    day = Day(ALL, reply_deadline=MONDAY + 2 * HOUR).until(MONDAY)
    actions = day.look(MONDAY + 2 * HOUR)
    assert actions == (Remind(KEYS), Email(("anna", "cara")))
    day.until(MONDAY + 9 * HOUR)
    assert day.of(TellContact) == [(0, TellContact("asked"))]


def test_a_new_deadline_is_told_anew() -> None:
    day = Day(ALL, reply_deadline=MONDAY + 2 * HOUR).until(MONDAY + 115 * MINUTE)
    later = MONDAY + 5 * HOUR
    day.waiting = replace(day.waiting, reply_deadline=later)
    day.next_at = MONDAY + 2 * HOUR
    day.until(later)
    told = [action for _, action in day.of(TellContact)]
    assert told[-1] == TellContact("deadline", later)
    assert TellContact("deadline", MONDAY + 2 * HOUR) in told


@st.composite
def groups(draw: st.DrawFn) -> Group:
    terms = st.integers(1, 90).map(lambda minutes: minutes * MINUTE)
    days = st.dictionaries(
        st.sampled_from(hours.DAYS),
        st.sampled_from(["09:00-12:00, 13:00-17:00", "22:00-06:00", "00:00-24:00"]),
        min_size=1,
    )
    open_hours = draw(st.none() | days.map(lambda days: hours.read("Europe/Vienna", days)))
    return Group(
        "support",
        tuple(draw(st.permutations([ANNA, BEN, CARA]))[: draw(st.integers(0, 3))]),
        hours=open_hours if open_hours is None or hours.overlap(open_hours.week) is None else None,
        ring=draw(st.sampled_from(["all_at_once", "in_order"])),
        ring_for=draw(terms),
        remind_every=draw(terms),
        tell_contact_every=draw(terms),
        email_after=draw(terms),
        give_up_after=draw(st.integers(1, 48)) * HOUR,
        then=draw(st.sampled_from(["apologise", "hand_back"])),
    )


@st.composite
def handoffs(draw: st.DrawFn) -> tuple[Group, Waiting, datetime]:
    """One that was looked at on time or late, with people who said "not now" and deadlines that moved."""
    group = draw(groups())
    # Around the night in which clocks are put back.
    now = datetime(2026, 10, 23, tzinfo=UTC) + draw(st.timedeltas(timedelta(0), timedelta(days=4)))
    waiting = Waiting(now)
    for _ in range(draw(st.integers(0, 6))):
        waiting = replace(
            waiting,
            not_now=waiting.not_now | draw(st.frozensets(st.sampled_from(KEYS), max_size=1)),
            reply_deadline=draw(st.none() | st.timedeltas(timedelta(0), 30 * HOUR).map(now.__add__)),
        )
        due = plan(group, waiting, now)
        waiting = applied(waiting, due.actions, now)
        on_time = due.next_at or now
        now = draw(st.just(on_time) | st.timedeltas(timedelta(0), 26 * HOUR).map(on_time.__add__))
    return group, waiting, now


@settings(max_examples=200, deadline=None)
@given(handoffs())
def test_no_kind_is_due_twice_and_once_done_nothing_is_due(handoff: tuple[Group, Waiting, datetime]) -> None:
    group, waiting, now = handoff
    due = plan(group, waiting, now)
    assert plan(group, waiting, now) == due
    kinds = [type(action) for action in due.actions]
    assert len(kinds) == len(set(kinds))
    assert GiveUp not in kinds or kinds == [GiveUp]

    after = applied(waiting, due.actions, now)
    assert plan(group, after, now) == Due((), due.next_at)


@settings(max_examples=200, deadline=None)
@given(handoffs(), st.floats(0, 1, exclude_max=True))
def test_something_is_due_at_the_moment_that_is_named_and_nothing_before(
    handoff: tuple[Group, Waiting, datetime], share: float
) -> None:
    group, waiting, now = handoff
    due = plan(group, waiting, now)
    waiting = applied(waiting, due.actions, now)
    if due.next_at is None:
        assert waiting.gave_up_at is not None
        return
    assert due.next_at > now
    between = min(now + share * (due.next_at - now), due.next_at - timedelta.resolution)
    assert plan(group, waiting, between) == Due((), due.next_at)
    assert plan(group, waiting, due.next_at).actions


@settings(max_examples=150, deadline=None)
@given(handoffs())
def test_people_are_asked_only_while_it_is_open_and_a_contact_told_only_while_they_may_be(
    handoff: tuple[Group, Waiting, datetime],
) -> None:
    group, waiting, now = handoff
    due = plan(group, waiting, now)
    for action in due.actions:
        match action:
            case Ring(people) | Remind(people) | Email(people):
                assert hours.is_open(group.hours, now)
                assert people
                assert set(people) <= {person.key for person in group.people}
            case TellContact(kind, until):
                assert waiting.reply_deadline is None or now < waiting.reply_deadline
                assert kind == "deadline" or hours.is_open(group.hours, now) == (kind != "closed")
                assert until is None or until > now


@settings(max_examples=50, deadline=None)
@given(groups(), st.timedeltas(timedelta(0), timedelta(days=4)))
def test_every_handoff_comes_to_an_end(group: Group, later: timedelta) -> None:
    day = Day(replace(group, ring_for=HOUR, remind_every=HOUR), datetime(2026, 10, 23, tzinfo=UTC) + later)
    day.until(day.waiting.since + LONGEST_WAIT)
    assert day.next_at is None
    assert isinstance(day.log[-1][1], GiveUp)
    assert sum(isinstance(action, TellContact) for _, action in day.log) <= 1 + MOST_NOTICES
