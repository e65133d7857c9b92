"""What docs/security.md says is shown, is: each test that it names exists, and each fault is in the catalogue."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture import authorisation
from tests.faults.__main__ import entries

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`([a-z_/]+\.py)::(test_\w+)`", DOCUMENT)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((TESTS / path).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    assert name in {function.name for function in functions}


def test_every_row_names_what_shows_it() -> None:
    tables = DOCUMENT.partition("## OWASP")[0]
    rows = [line for line in tables.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| wants"))]
    silent = [row for row in rows if "::test_" not in row and not re.match(r"\| (has|attacks by) \|", row)]
    assert silent == []
    assert len(rows) > 30


def test_every_fault_that_is_named_is_in_the_catalogue() -> None:
    assert set(re.findall(r"\bF\d+(?:-[a-z]+)*\b", DOCUMENT)) <= {entry.id for entry in entries()}


def test_the_table_of_who_may_do_what_is_what_the_routes_declare() -> None:
    assert authorisation.DOCUMENT.read_text() == authorisation.written()
