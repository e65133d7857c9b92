"""Ports of processes that run tests side by side."""

import pytest

from tests.support.ports import free_ports, own_candidates


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_each_process_draws_from_a_part_of_its_own(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(count))
    parts = []
    for number in range(count):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        parts.append(set(own_candidates()))
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert min(map(len, parts)) >= 1000


def test_ports_that_are_drawn_together_are_of_this_process_and_differ() -> None:
    ports = free_ports("one", "another", "a third")
    assert list(ports) == ["one", "another", "a third"]
    assert len(set(ports.values())) == 3
    assert set(ports.values()) <= set(own_candidates())
