"""The pretended models name what they answer, or the checker would take it for lost."""

from tests.faults.people import ANSWER, answer
from tests.support.model_doubles import Json

SAID: Json = {"role": "user", "content": "What time is it? m111111111111"}
RESULT: Json = {"type": "tool_result", "tool_use_id": "1", "content": "not to be read"}


def test_what_was_answered_is_not_answered_again() -> None:
    later = {"role": "user", "content": "And now? m222222222222"}
    assert answer([SAID, {"role": "assistant", "content": "Noon."}, later]) == f"{ANSWER}m222222222222"


def test_a_call_of_a_tool_is_no_answer() -> None:
    blocks = [{"type": "tool_use", "id": "1", "name": "current_time", "input": {}}]
    assert answer([SAID, {"role": "assistant", "content": blocks}, {"role": "user", "content": [RESULT]}]) == (
        f"{ANSWER}m111111111111"
    )
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert answer([SAID, called, {"role": "tool", "content": "noon"}]) == f"{ANSWER}m111111111111"
