"""The catalogue is what docs/faults.md says that it is."""

import inspect
import json
import re
from functools import partial

import pytest

from tests.faults.__main__ import RESULTS, Result, entries, is_well
from tests.faults.catalogue import Entry
from tests.faults.checker import KINDS
from tests.support.commands import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "faults.md").read_text()
ENTRIES = entries()
SEEN: dict[str, Result] = json.loads(RESULTS.read_text())
FIRST_CELL = re.compile(r"^\| (F\d{1,2}(?:-[a-z]+)*) \|", re.MULTILINE)


def section(heading: str) -> str:
    return DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def row(id_: str, seen: Result) -> str:
    """As the document tells of a run."""
    twin = {True: "found", False: "not found", None: "none"}[seen.get("twin_found")]
    return f"| {id_} | {seen['on']} | {seen['times']:,} | {seen['seed']} | {seen['seconds'] / 60:.1f} | {twin} |"


def test_each_entry_is_there_once() -> None:
    ids = [entry.id for entry in ENTRIES]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"F\d{1,2}(-[a-z]+)*", each) for each in ids)


def test_the_document_lists_all_of_them_and_no_other() -> None:
    assert FIRST_CELL.findall(section("The catalogue")) == [entry.id for entry in ENTRIES]


@pytest.mark.parametrize("entry", [each for each in ENTRIES if each.twin is None], ids=lambda entry: entry.id)
def test_an_entry_without_a_twin_says_why(entry: Entry) -> None:
    [tried] = entry.run.args if isinstance(entry.run, partial) else [entry.run]
    assert "wrong on purpose" in (inspect.getdoc(tried) or "").replace("\n", " ")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_the_document_says_what_an_entry_does(entry: Entry) -> None:
    assert f"| {entry.id} | {entry.title} | {entry.passes} | {entry.full:,} |" in DOCUMENT


def test_the_document_tells_of_each_run_that_is_kept() -> None:
    told = section("What was seen")
    assert sorted(FIRST_CELL.findall(told)) == sorted(SEEN)
    assert [seen for id_, seen in SEEN.items() if row(id_, seen) not in told] == []


@pytest.mark.parametrize("id_", SEEN)
def test_what_was_seen_is_of_the_catalogue_and_well(id_: str) -> None:
    assert id_ in {entry.id for entry in ENTRIES}
    assert is_well(SEEN[id_])
    assert "not_run" not in SEEN[id_]["counts"]


def test_a_hundred_thousand_malformed_inputs_were_tried() -> None:
    assert sum(seen["counts"]["inputs"] for id_, seen in SEEN.items() if id_.startswith("F14")) >= 100_000


def test_the_long_run_was_as_long_as_it_is_promised_to_be() -> None:
    counts = SEEN["F31"]["counts"]
    assert counts["faults"] >= 500
    assert counts["said"] >= 20_000
    assert {kind: counts[kind] for kind in KINDS} == dict.fromkeys(KINDS, 0)
