"""The manifest's section about the people who take over: what is read, and what is said of mistakes."""

from pathlib import Path

import pytest

from konstruct import manifest
from konstruct.desk import people
from konstruct.errors import BadInput
from konstruct.manifest import Manifest

DESK = """\
tenant: acme
name: Acme Bikes
time_zone: Europe/Vienna
desk:
  connection: main-slack
  channel: C024BE93Y
  people:
    anna: {name: Anna Berg, slack: U024BE7LH, email: anna@example.com}
    ben: {name: Ben Okoro, slack: U024BE7LJ}
  groups:
    support:
      people: [anna, ben]
      ring: in_order
      hours:
        mon: 09:00-12:00, 13:00-17:00
        sun: 22:00-06:00
        closed: [2026-12-25]
      ring_for: 5 minutes
      remind_every: 15 minutes
      tell_contact_every: 30 minutes
      email_after: 10 minutes
      give_up_after: 8 hours
      then: hand_back
    sales: {people: [ben]}
  default: support
employees:
  ada:
    name: Ada
    role: Front desk
    system_prompt: Be brief.
ESCALATION
connections:
  main-slack: {kind: slack, bot_token: xoxb-1, employee: ada}
  test: {kind: console, employee: ada}
"""
RULES = """\
    escalation:
      - name: wants-a-person
        when: {asked_for_human: true}
        then: {hand_off: {to: support, priority: high}}
      - name: expensive
        when: {cost_above: "1.50"}
        then: {tell: {to: anna}}
      - name: stuck
        when: {turns: 10}
        then: {hand_off: {}}
"""
WITHOUT = "tenant: acme\nname: A\nemployees:\n  ada:\n    name: Ada\n    role: R\n    system_prompt: S\n"


def parse(text: str) -> Manifest:
    return manifest.parse(text.replace("ESCALATION\n", RULES), "tenant.yaml", {})


def changed(old: str, new: str) -> str:
    text = DESK.replace("ESCALATION\n", RULES)
    assert text.count(old) == 1
    return text.replace(old, new)


def complaints(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse(text)
    return [line.removeprefix("tenant.yaml:") for line in str(caught.value).splitlines()]


def test_a_desk_is_stored_with_what_is_said_of_it() -> None:
    assert parse(DESK).desk.content() == {
        "connection": "main-slack",
        "channel": "C024BE93Y",
        "people": {
            "anna": {"name": "Anna Berg", "slack": "U024BE7LH", "email": "anna@example.com"},
            "ben": {"name": "Ben Okoro", "slack": "U024BE7LJ"},
        },
        "groups": {
            "support": {
                "people": ["anna", "ben"],
                "ring": "in_order",
                "hours": {"mon": "09:00-12:00, 13:00-17:00", "sun": "22:00-06:00", "closed": ["2026-12-25"]},
                "ring_for_seconds": 300,
                "remind_every_seconds": 900,
                "tell_contact_every_seconds": 1_800,
                "email_after_seconds": 600,
                "give_up_after_seconds": 28_800,
                "then": "hand_back",
            },
            "sales": {"people": ["ben"]},
        },
        "default": "support",
    }


def test_a_single_group_needs_no_default_and_a_tenant_no_desk() -> None:
    assert "default" not in parse(changed("    sales: {people: [ben]}\n  default: support\n", "")).desk.content()
    assert parse(WITHOUT).desk.content() == {}


def test_the_example_has_a_desk_that_holds_what_it_says_of_defaults() -> None:
    example = Path(__file__).parents[2] / "docs" / "tenant.example.yaml"
    environ = {"ACME_SLACK_BOT_TOKEN": "xoxb-1", "ACME_SHOP_KEY": "sk", "ACME_CRM_TOKEN": "ct"}
    support = people.read(manifest.read(example, environ).desk.content(), "UTC").group_for(None)
    assert [person.key for person in support.people] == ["anna", "ben"]
    assert support.hours is not None
    said = people.Group(support.key, support.people, support.time_zone, support.hours, ring="in_order")
    assert support == said


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  channel: C024BE93Y\n", "", "4: desk: needs both connection and channel, or neither"),
        ("connection: main", "connection: mian", "5: desk.connection: is no Slack connection of this file"),
        ("connection: main-slack", "connection: test", "5: desk.connection: is no Slack connection of this file"),
        ("C024BE93Y", "handoffs", "6: desk.channel: must be a channel's id such as C024BE91L, not its name"),
        ("slack: U024BE7LH", "slack: anna", "8: desk.people.anna.slack: must be a user's id such as U012AB3CD"),
        (
            "U024BE7LJ",
            "U024BE7LH",
            "9: desk.people.ben.slack: is somebody else's already; each has a user of their own",
        ),
        ("anna@example.com", "anna", "8: desk.people.anna.email: must be one address"),
        ("anna@example.com", '"a@example.com, b@example.com"', "8: desk.people.anna.email: must be one address"),
        ("anna@example.com", '"a@example.com\\r\\nBcc: b"', "8: desk.people.anna.email: must be one address"),
        ("{name: Ben Okoro", "{nam: Ben Okoro", '9: desk.people.ben.nam: unknown field; did you mean "name"?'),
        ("name: Ben Okoro, ", "", "9: desk.people.ben.name: is missing"),
        (
            "[anna, ben]",
            "[ana, ben]",
            '12: desk.groups.support.people[0]: is nobody of the desk\'s people; did you mean "anna"?',
        ),
        ("[anna, ben]", "[anna, anna]", "12: desk.groups.support.people[1]: is named a second time"),
        ("people: [ben]", "people: []", "24: desk.groups.sales.people: needs at least one entry"),
        (
            "    sales: {",
            "    ben: {",
            "24: desk.groups.ben: is what one of the people is called; a rule could not tell the two apart",
        ),
        ("in_order", "in order", "13: desk.groups.support.ring: must be all_at_once or in_order"),
        ("hand_back", "hang_up", "23: desk.groups.support.then: must be apologise or hand_back"),
        (
            "remind_every",
            "remind_evry",
            '19: desk.groups.support.remind_evry: unknown field; did you mean "remind_every"?',
        ),
        ("8 hours", "long", "22: desk.groups.support.give_up_after: must be a time such as 30 minutes"),
        ("8 hours", "5 weeks", "22: desk.groups.support.give_up_after: must be at most 4 weeks"),
        ("  default: support\n", "", "4: desk.default: is missing: with several groups, name the one for handoffs"),
        ("default: support", "default: suport", '25: desk.default: is no group of the desk; did you mean "support"?'),
        ("default: support", "default: anna", "25: desk.default: is no group of the desk"),
        ("mon: 09", "monday: 09", '15: desk.groups.support.hours.monday: unknown field; did you mean "mon"?'),
        (
            "mon: 09:00",
            "mon: 9:00",
            "15: desk.groups.support.hours.mon: must be times such as 09:00-12:00, 13:00-17:00",
        ),
        (
            "22:00-06:00",
            "22:00-22:00",
            "16: desk.groups.support.hours.sun: ends when it begins; all day is 00:00-24:00",
        ),
        (
            "12:00, 13:00",
            "12:00, 11:30",
            "15: desk.groups.support.hours.mon: begins before what comes before it has ended; write the two as one",
        ),
        (
            "22:00-06:00",
            "22:00-09:01",
            "15: desk.groups.support.hours.mon: begins before what comes before it has ended; write the two as one",
        ),
        ("2026-12-25", "25.12.2026", "17: desk.groups.support.hours.closed[0]: must be a day such as 2026-12-25"),
        ("2026-12-25", "2026-02-29", "17: desk.groups.support.hours.closed[0]: must be a day such as 2026-12-25"),
        (
            "        mon: 09:00-12:00, 13:00-17:00\n        sun: 22:00-06:00\n",
            "",
            "14: desk.groups.support.hours: name no day; say when it is open, such as mon: 09:00-17:00",
        ),
        (
            "        mon:",
            "        time_zone: Vienna\n        mon:",
            "15: desk.groups.support.hours.time_zone: must be a time zone as the IANA names it, such as Europe/Vienna",
        ),
        (
            "{to: support, ",
            "{to: suport, ",
            "34: employees.ada.escalation[0].then.hand_off.to: is no group and nobody of the desk; did you mean "
            '"support"?',
        ),
        (
            "{to: anna}",
            "{to: cara}",
            "37: employees.ada.escalation[1].then.tell.to: is no group and nobody of the desk",
        ),
    ],
)
def test_what_cannot_be_used_is_told_with_line_and_field(old: str, new: str, complaint: str) -> None:
    assert complaint in [line[: len(complaint)] for line in complaints(changed(old, new))]


def test_a_rule_that_names_somebody_needs_a_desk() -> None:
    told = "names somebody, and this file has no desk; add one, or leave this out"
    assert complaints(WITHOUT + RULES) == [
        f"11: employees.ada.escalation[0].then.hand_off.to: {told}",
        f"14: employees.ada.escalation[1].then.tell.to: {told}",
    ]


def test_no_complaint_quotes_what_may_be_a_secret() -> None:
    for old in ("main-slack\n  channel", "C024BE93Y", "U024BE7LH", "anna@example.com", "2026-12-25", "09:00-12:00, 13"):
        assert "canary" not in str(complaints(changed(old, old.replace(old.split()[0], "my-canary {0}"))))
