"""What a seed decides is the same whenever it is asked, and as much as was wanted."""

from collections import Counter

from tests.faults.schedule import WEIGHTS, drawn


def test_a_seed_decides_everything() -> None:
    assert drawn(7, words=500, faults=20, people=12) == drawn(7, words=500, faults=20, people=12)
    assert drawn(7, words=500, faults=20, people=12) != drawn(8, words=500, faults=20, people=12)


def test_there_is_as_much_as_was_wanted() -> None:
    plan = drawn(1, words=5_000, faults=500, people=60)
    assert (plan.words, len(plan.faults), len(plan.takings)) == (5_000, 500, 100)
    assert all(60 <= fault.after < 5_000 for fault in plan.faults)
    assert {saying.person for saying in plan.sayings} == set(range(60))
    assert any(saying.words > 1 for saying in plan.sayings)
    assert any(saying.repeats for saying in plan.sayings)


def test_each_fault_is_drawn_about_as_often_as_it_weighs() -> None:
    kinds = Counter(fault.kind for fault in drawn(2, words=50_000, faults=9_600, people=60).faults)
    for kind, weight in WEIGHTS.items():
        expected = weight * 9_600 / sum(WEIGHTS.values())
        assert 0.7 * expected < kinds[kind] < 1.3 * expected, kind
