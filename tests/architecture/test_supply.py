"""The bill of materials names all that is pinned, and an audit that asked nobody is not taken for a good one."""

import json

import pytest

from tests.architecture import supply

NOTHING = {"name": "attrs", "version": "1.0", "vulns": []}
FLAW = {"name": "attrs", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


def test_the_bill_names_all_that_is_pinned_with_its_hashes() -> None:
    made_of = supply.parts()
    bill = supply.bill(made_of)
    assert {"temporalio", "litellm", "pytest"} <= {part.name for part in made_of}
    assert all(part.hashes for part in made_of)
    assert [each["purl"] for each in bill["components"]] == [f"pkg:pypi/{each.name}@{each.version}" for each in made_of]
    assert json.loads(json.dumps(bill)) == supply.bill(supply.parts())


def test_what_the_product_runs_on_says_under_which_licence_it_may() -> None:
    silent = {part.name for part in supply.parts() if part.scope != "excluded" and part.licence == "says nothing"}
    assert silent == set()


@pytest.mark.parametrize(
    ("status", "said", "ends"),
    [
        (0, json.dumps({"dependencies": [NOTHING]}), (supply.FINE, [])),
        (1, json.dumps({"dependencies": [FLAW]}), (supply.FLAWED, ["attrs 1.0: PYSEC-1, mended in 1.1"])),
        (1, json.dumps({"dependencies": [NOTHING]}), (supply.FLAWED, ["The auditor failed."])),
    ],
    ids=["fine", "flawed", "failed"],
)
def test_an_audit_ends_as_it_went(status: int, said: str, ends: tuple[int, list[str]]) -> None:
    assert supply.verdict(status, said) == ends


@pytest.mark.parametrize("said", ["", "ERROR: connection refused", "{}"], ids=["nothing", "words", "no answer"])
def test_an_audit_that_asked_nobody_says_so(said: str) -> None:
    status, [sentence] = supply.verdict(1, said)
    assert status == supply.UNANSWERED
    assert "could not be asked" in sentence


def test_an_audit_that_passed_over_what_it_was_asked_about_says_so() -> None:
    unknown = {"name": "attrs", "skip_reason": "Dependency not found"}
    status, [sentence] = supply.verdict(0, json.dumps({"dependencies": [unknown, {**NOTHING, "name": "yarl"}]}))
    assert (status, sentence) == (
        supply.UNANSWERED,
        "The database of advisories says nothing of 1 of 2 packages.",
    )
