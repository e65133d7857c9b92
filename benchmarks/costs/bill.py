"""From what a turn uses to what a million of them cost, at prices that somebody names."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

MILLION: Final = 1_000_000
GIGABYTE: Final = 10**9
ACTIONS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: "start",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: "signal",
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activity",
    EventType.EVENT_TYPE_TIMER_STARTED: "timer",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: "update",
    EventType.EVENT_TYPE_MARKER_RECORDED: "marker",
}
"""The events of which Temporal Cloud bills one each (its documentation, "Actions"; as of December 2026). A signal that
starts a workflow counts once, so the start of a conversation's first run is not billed. Heartbeats are in no
history, and are billed, too: one comes with every other second that a call to a model takes."""
FAIRNESS: Final = 0.1
"""What it adds to each action while fairness is enabled, which keeps tenants apart."""


@dataclass(frozen=True)
class Prices:
    """In any one currency."""

    core_hour: float
    million_actions: float
    gigabyte_month: float
    """Of the database's storage."""
    active_gigabyte_hour: float
    """Of histories of open workflows."""


def actions(events: Iterable[HistoryEvent]) -> Counter[str]:
    counted = Counter(ACTIONS[event.event_type] for event in events if event.event_type in ACTIONS)
    if counted["signal"] and counted["start"]:
        # Of the two that begin a conversation only the signal is counted; a run that follows has a start alone.
        counted["start"] -= 1
    return +counted


def bill(usage: dict[str, Any], prices: Prices) -> dict[str, float]:
    """What a million turns cost; storage for a month.

    cpu: CPU-seconds of all parts / 3,600 x price of a core's hour;
    actions: actions a turn x 1.1 for fairness x price of a million; storage: bytes a turn x a million / 10^9 x price;
    histories: bytes a turn x a million / 10^9, each held for a day, since a silent conversation closes after that.
    """
    cores = sum(usage["cpu_ms_per_turn"].values()) / 1_000 * MILLION / 3_600
    return {
        "cpu": cores * prices.core_hour,
        "actions": usage["actions_per_turn"] * (1 + FAIRNESS) * prices.million_actions,
        "database": usage["database_bytes_per_turn"] * MILLION / GIGABYTE * prices.gigabyte_month,
        "histories": usage["history_bytes_per_turn"] * MILLION / GIGABYTE * 24 * prices.active_gigabyte_hour,
    }
