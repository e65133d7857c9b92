"""Nothing secret lies open after a run; a worker that logs its prompts is found out, and so is whatever is hidden."""

import base64
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from tests.faults.at_rest import ENTRIES
from tests.faults.secrets import Needles, in_files, in_tables

SEED = 20261129
SECRET = "xoxb-TEAM-0f1e2d3c4b5a6978"
CORE = SECRET.rpartition("-")[2]
MARK = "m0123456789ab"
[ENTRY] = ENTRIES


@pytest.mark.stack
@pytest.mark.timeout(600)
async def test_nothing_lies_open() -> None:
    outcome = await ENTRY.run(ENTRY.short, SEED)
    assert outcome.amiss == {}, outcome.counts()


@pytest.mark.stack
@pytest.mark.timeout(600)
async def test_a_worker_that_logs_its_prompts_is_found_out() -> None:
    assert ENTRY.twin is not None
    outcome = await ENTRY.twin(ENTRY.short, SEED)
    found = outcome.amiss.get("secrets_found")
    assert found, outcome.counts()
    assert all(place.startswith("logs/worker-0.log") for place in found), found


@pytest.mark.parametrize(
    "hidden",
    [
        SECRET,
        f"token={CORE}&x=1",
        CORE.encode().hex(),
        *(base64.b64encode(f"{before}{SECRET} and more".encode()).decode() for before in ("", "a", "ab")),
        base64.urlsafe_b64encode(f"??{SECRET}>>".encode()).decode(),
    ],
    ids=["plain", "without its mark", "hexadecimal", "base64", "base64 by one", "base64 by two", "base64 of addresses"],
)
def test_a_secret_is_found_however_it_is_written(tmp_path: Path, hidden: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(b"\xff\0" * 50 + hidden.encode() + b"\0" * 50)
    (tmp_path / "fine").write_text(f"{CORE[:-1]} {MARK[:-1]}")
    assert in_files(tmp_path, Needles({"a token": SECRET}, [MARK])) == ["logs/a.log: a token"]


def test_a_word_that_somebody_said_is_found_and_no_other(tmp_path: Path) -> None:
    for name, text in (("a", f"x{MARK}."), ("b", MARK.encode().hex()), ("c", "mffffffffffff"), ("d", f"{MARK}0")):
        (tmp_path / name).write_text(text)
    assert in_files(tmp_path, Needles({}, [MARK])) == ["a: what somebody said", "b: what somebody said"]


async def test_a_value_that_the_server_keeps_compressed_is_found_in_its_table(owner_url: SecretStr) -> None:
    url = owner_url.get_secret_value()
    administrator = await asyncpg.connect(url)
    await administrator.execute("create schema hidden; create table hidden.notes (sealed bytea, text text)")
    try:
        await administrator.execute(
            "insert into hidden.notes values ($1, repeat('x', 5000) || $2)", SECRET.encode(), f"{MARK}!"
        )
        found = await in_tables(url, Needles({"a token": SECRET}, [MARK]))
    finally:
        await administrator.execute("drop schema hidden cascade")
        await administrator.close()
    assert found == ["table hidden.notes: a token", "table hidden.notes: what somebody said"]
