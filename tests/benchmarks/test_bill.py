"""What a million turns cost, from what one uses."""

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks.costs.bill import Prices, actions, bill

USAGE = {
    "cpu_ms_per_turn": {"worker": 30.0, "gateway": 6.0},
    "actions_per_turn": 3.0,
    "database_bytes_per_turn": 4_000,
    "history_bytes_per_turn": 2_000,
}


def test_each_part_is_priced_by_what_a_million_turns_use() -> None:
    costs = bill(USAGE, Prices(core_hour=0.1, million_actions=50, gigabyte_month=0.2, active_gigabyte_hour=0.04))
    assert {part: round(cost, 2) for part, cost in costs.items()} == {
        "cpu": 1.0,  # 36,000 CPU-seconds are ten hours.
        "actions": 165.0,  # Three a turn, and a tenth for fairness.
        "database": 0.8,  # 4 GB.
        "histories": 1.92,  # 2 GB for a day.
    }


def of_kinds(*kinds: str) -> list[HistoryEvent]:
    return [HistoryEvent(event_type=EventType.Value(f"EVENT_TYPE_{kind}")) for kind in kinds]


def test_a_signal_that_starts_is_one_action() -> None:
    turn = ("WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_TASK_SCHEDULED", "ACTIVITY_TASK_SCHEDULED", "TIMER_STARTED")
    begun = actions(of_kinds("WORKFLOW_EXECUTION_STARTED", *turn))
    assert begun == {"signal": 1, "activity": 1, "timer": 1}


def test_a_run_that_follows_another_is_an_action_of_its_own() -> None:
    assert actions(of_kinds("WORKFLOW_EXECUTION_STARTED", "ACTIVITY_TASK_SCHEDULED")) == {"start": 1, "activity": 1}
