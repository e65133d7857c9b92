"""The catalogue is what docs/faults.md says that it is."""

import inspect
import re
from functools import partial

import pytest

from tests.faults.__main__ import entries
from tests.faults.catalogue import Entry
from tests.support.commands import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "faults.md").read_text()
ENTRIES = entries()


def test_each_entry_is_there_once() -> None:
    ids = [entry.id for entry in ENTRIES]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"F\d{1,2}(-[a-z]+)*", each) for each in ids)


def test_the_document_lists_all_of_them_and_no_other() -> None:
    listed = re.findall(r"^\| (F\d{1,2}(?:-[a-z]+)*) \|", DOCUMENT, re.MULTILINE)
    assert listed == [entry.id for entry in ENTRIES]


@pytest.mark.parametrize("entry", [each for each in ENTRIES if each.twin is None], ids=lambda entry: entry.id)
def test_an_entry_without_a_twin_says_why(entry: Entry) -> None:
    [tried] = entry.run.args if isinstance(entry.run, partial) else [entry.run]
    assert "wrong on purpose" in (inspect.getdoc(tried) or "").replace("\n", " ")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_the_document_says_what_an_entry_does(entry: Entry) -> None:
    assert f"| {entry.id} | {entry.title} | {entry.passes} | {entry.full:,} |" in DOCUMENT
