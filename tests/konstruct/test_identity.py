import time
from uuid import RFC_4122

from konstruct.identity import new_id


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_are_all_different_and_sort_by_time() -> None:
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    milliseconds = [str(one)[:13] for one in made]
    assert milliseconds == sorted(milliseconds)
