"""What may be done without a person's yes: the whole table of docs/tools.md, and no other."""

import itertools
from pathlib import Path

import pytest

from konstruct.tools import policy
from konstruct.tools.policy import APPROVALS, RISKS, Approval, Risk, Verdict

TABLE: dict[tuple[Risk, Approval], tuple[Verdict, Verdict]] = {
    ("harmless", "never"): ("run", "run"),
    ("harmless", "after_untrusted"): ("run", "ask"),
    ("harmless", "always"): ("ask", "ask"),
    ("reads", "never"): ("run", "run"),
    ("reads", "after_untrusted"): ("run", "ask"),
    ("reads", "always"): ("ask", "ask"),
    ("memory", "never"): ("run", "refuse"),
    ("memory", "after_untrusted"): ("run", "refuse"),
    ("memory", "always"): ("ask", "refuse"),
    ("changes", "never"): ("run", "run"),
    ("changes", "after_untrusted"): ("run", "ask"),
    ("changes", "always"): ("ask", "ask"),
    ("sends", "never"): ("run", "run"),
    ("sends", "after_untrusted"): ("run", "ask"),
    ("sends", "always"): ("ask", "ask"),
    ("irreversible", "always"): ("ask", "ask"),
}


def test_the_table_knows_every_pair_that_may_be() -> None:
    pairs = set(itertools.product(RISKS, APPROVALS))
    assert {pair for pair in pairs if policy.may_be(*pair)} == set(TABLE)


@pytest.mark.parametrize(("risk", "approval"), TABLE)
def test_a_call_is_judged_as_the_table_says(risk: Risk, approval: Approval) -> None:
    before, after = TABLE[risk, approval]
    assert policy.judge(risk, approval, is_untrusted=False) == before
    assert policy.judge(risk, approval, is_untrusted=True) == after


def test_what_holds_where_nothing_is_said() -> None:
    assert {risk: policy.usual(risk) for risk in RISKS} == {
        "harmless": "never",
        "reads": "never",
        "memory": "never",
        "changes": "always",
        "sends": "always",
        "irreversible": "always",
    }


def test_the_reason_that_people_are_given_is_the_one_for_which_they_are_asked() -> None:
    assert "cannot be taken back" in policy.why("irreversible", "always")
    assert "strangers may have written" in policy.why("changes", "after_untrusted")
    assert "set up to ask first" in policy.why("changes", "always")


def test_operators_read_the_same_table() -> None:
    lines = (Path(__file__).parents[3] / "docs" / "tools.md").read_text().splitlines()
    told = " ".join(line for line in lines if line.startswith("|"))
    assert all(f"`{word}`" in told for word in (*RISKS, *APPROVALS))
