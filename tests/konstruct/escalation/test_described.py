"""The description of the rules tells the truth."""

import re
from pathlib import Path

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from konstruct.escalation.rules import Action, Condition, Rules

DESCRIPTION = (Path(__file__).parents[3] / "docs" / "escalation.md").read_text()


def test_the_rules_of_the_description_can_be_used() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", DESCRIPTION, re.DOTALL)
    rules = YAML(typ="safe", pure=True).load(example)["employees"]["ada"]["escalation"]
    assert len(TypeAdapter(Rules).validate_python(rules)) == 4


def test_every_condition_and_every_action_is_described() -> None:
    named = set(re.findall(r"^\| `(\w+):", DESCRIPTION, re.MULTILINE))
    assert named == {*Condition.model_fields, *Action.model_fields} - {"all", "any"}
