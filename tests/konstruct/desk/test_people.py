"""Who a handoff is for, from what is stored of a manifest."""

from datetime import timedelta

from konstruct.desk import people
from konstruct.desk.people import Desk, Group, Person

KEPT = {
    "connection": "main-slack",
    "channel": "C024BE93Y",
    "people": {
        "anna": {"name": "Anna Berg", "slack": "U024BE7LH", "email": "anna@example.com"},
        "ben": {"name": "Ben Okoro"},
    },
    "groups": {
        "support": {
            "people": ["ben", "anna"],
            "ring": "in_order",
            "ring_for_seconds": 60,
            "give_up_after_seconds": 7_200,
            "hours": {"mon": "09:00-17:00", "closed": ["2026-12-28"]},
        },
        "sales": {"people": ["anna"], "hours": {"time_zone": "Asia/Tokyo", "tue": "10:00-11:00"}, "then": "hand_back"},
    },
    "default": "support",
}
ANNA = Person("anna", "Anna Berg", "U024BE7LH", "anna@example.com")
BEN = Person("ben", "Ben Okoro")


def test_a_desk_is_read_with_what_holds_where_nothing_is_said() -> None:
    desk = people.read(KEPT, "Europe/Vienna")
    assert (desk.connection_key, desk.channel, set(desk.people)) == ("main-slack", "C024BE93Y", {ANNA, BEN})
    support, sales = desk.group_for("support"), desk.group_for("sales")
    assert (support.people, support.ring, support.then) == ((BEN, ANNA), "in_order", "apologise")
    assert (support.ring_for, support.remind_every) == (timedelta(minutes=1), timedelta(minutes=15))
    assert support.give_up_after == timedelta(hours=2)
    assert support.hours is not None
    assert (support.time_zone, support.hours.time_zone) == ("Europe/Vienna", "Europe/Vienna")
    assert support.hours.week[0] == ((540, 1_020),)
    assert [str(day) for day in support.hours.closed] == ["2026-12-28"]
    assert (sales.ring, sales.then, sales.time_zone) == ("all_at_once", "hand_back", "Asia/Tokyo")
    assert desk.default == support


def test_a_person_alone_is_a_group_of_one_on_the_defaults_terms() -> None:
    desk = people.read(KEPT, "Europe/Vienna")
    alone = desk.group_for("anna")
    assert (alone.key, alone.people) == ("anna", (ANNA,))
    assert (alone.ring_for, alone.hours) == (desk.default.ring_for, desk.default.hours)


def test_a_handoff_for_nobody_or_for_somebody_who_left_goes_to_the_default() -> None:
    desk = people.read(KEPT, "UTC")
    assert desk.group_for(None) == desk.group_for("support")
    assert desk.group_for("cara") == desk.group_for("support")


def test_agents_are_found_by_key_and_by_user() -> None:
    desk = people.read(KEPT, "UTC")
    assert (desk.agent("anna"), desk.agent("support")) == (ANNA, None)
    assert (desk.agent_for_slack("U024BE7LH"), desk.agent_for_slack("U1"), desk.agent_for_slack("")) == (
        ANNA,
        None,
        None,
    )


def test_a_single_group_is_the_default() -> None:
    one = {**KEPT, "groups": {"sales": {"people": ["anna"]}}, "default": ""}
    assert people.read(one, "UTC").group_for(None) == Group("sales", (ANNA,))


def test_people_without_groups_are_asked_all_together() -> None:
    desk = people.read({"people": KEPT["people"]}, "UTC")
    assert desk.group_for(None) == Group("everyone", (ANNA, BEN))
    assert desk.group_for("ben") == Group("ben", (BEN,))


def test_without_a_desk_there_is_a_queue_and_nobody_to_ring() -> None:
    desk = people.read({}, "Europe/Vienna")
    assert desk == Desk(default=Group("everyone", time_zone="Europe/Vienna"))
    assert desk.group_for("support").key == "everyone"
