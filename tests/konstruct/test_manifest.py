from importlib import resources
from pathlib import Path

import pytest

from konstruct import manifest
from konstruct.errors import BadInput
from konstruct.manifest import Manifest
from konstruct.manifest.sections import SlackConnection

TOKEN = "xoxb-1-canary"

ACME = """\
tenant: acme
name: Acme Bikes
models: [anthropic/claude-sonnet-4-6, local/smollm2]
limits:
  contact: 20/minute
employees:
  ada:
    name: Ada
    role: Front desk
    persona:
    system_prompt: |
      Answer questions.
      Be brief.
connections:
  main-slack:
    kind: slack
    bot_token: ${ACME_TOKEN}
    team_id: T012AB3CD
    bot_user_id: U012AB3CD
    employee: ada
    channels: {C024BE91L: ada}
  test:
    kind: console
    employee: ada
"""


def parse(text: str) -> Manifest:
    return manifest.parse(text, "tenant.yaml", {"ACME_TOKEN": TOKEN})


def complaints(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse(text)
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert ACME.count(old) == 1
    return ACME.replace(old, new)


def test_a_whole_manifest_is_read() -> None:
    acme = parse(ACME)

    slack = acme.connections["main-slack"]
    assert isinstance(slack, SlackConnection)
    assert slack.bot_token.get_secret_value() == TOKEN
    assert slack.channels == {"C024BE91L": "ada"}
    assert acme.connections["test"].kind == "console"
    assert acme.limits.contact == "20/minute"
    assert acme.limits.tenant is None
    assert acme.employees["ada"].persona == ""
    assert acme.employees["ada"].system_prompt == "Answer questions.\nBe brief."


def test_the_example_and_the_demo_are_good() -> None:
    example = Path(__file__).parents[2] / "docs" / "tenant.example.yaml"
    environ = {"ACME_SLACK_BOT_TOKEN": TOKEN, "ACME_SHOP_KEY": "sk-canary", "ACME_CRM_TOKEN": "canary"}
    acme = manifest.read(example, environ)
    assert set(acme.employees) == {"ada", "bert"}
    assert len(acme.connections["main-slack"].functions) == 3

    demo = resources.files("konstruct.embedded").joinpath("demo.yaml").read_text()
    assert manifest.parse(demo, "demo.yaml", {}).tenant == "demo"


def test_an_unknown_field_is_told_with_its_line_and_what_was_meant() -> None:
    assert complaints(changed("    role: Front desk", "    rolle: Front desk")) == [
        "tenant.yaml:7: employees.ada.role: is missing",
        'tenant.yaml:9: employees.ada.rolle: unknown field; did you mean "role"?',
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("name: Acme Bikes", "nam: Acme Bikes\nname: A", 'tenant.yaml:2: nam: unknown field; did you mean "name"?'),
        ("  contact: 20", "  contacts: 20", 'tenant.yaml:5: limits.contacts: unknown field; did you mean "contact"?'),
        (
            "    team_id: T",
            "    workspace: T",
            "tenant.yaml:18: connections.main-slack.workspace: unknown field",
        ),
        (
            "    kind: console\n",
            "    kind: console\n    bot_token: a\n",
            "tenant.yaml:24: connections.test.bot_token: unknown field",
        ),
    ],
)
def test_unknown_fields_are_found_in_every_section(old: str, new: str, complaint: str) -> None:
    assert complaints(changed(old, new)) == [complaint]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("tenant: acme", "tenant: Acme", "1: tenant: must be 2 to 63 lower-case letters, digits and hyphens"),
        ("name: Acme Bikes", "name: 2020", "2: name: must be text; if it looks like a number, put it in quotes"),
        ("name: Acme Bikes", "name:", "2: name: is missing"),
        ("name: Acme Bikes", 'name: ""', "2: name: is empty"),
        ("name: Acme Bikes", f"name: {'a' * 81}", "2: name: is longer than 80 characters"),
        ("name: Acme Bikes", 'name: "a\\nb"', "2: name: must be one line"),
        ("name: Acme Bikes", 'name: "a\\0b"', "2: name: holds a character that is no text"),
        ("role: Front desk", f"role: {'a' * 121}", "9: employees.ada.role: is longer than 120 characters"),
        ("persona:", f"persona: {'a' * 2_001}", "10: employees.ada.persona: is longer than 2,000 characters"),
        (
            "Be brief.",
            "a" * 20_000,
            "11: employees.ada.system_prompt: is longer than 20,000 characters",
        ),
        (
            "    persona:",
            "    suggested_prompts: [a, b, c, d, e]",
            "10: employees.ada.suggested_prompts: has more than 4 entries",
        ),
        (
            "    persona:",
            f"    tools: {'[' * 300}{']' * 300}",
            f"10: employees.ada.tools{'[0]' * 18}: is nested too deep",
        ),
        ("    persona:", "    tools: search", "10: employees.ada.tools: must be a list"),
        (
            "    persona:",
            "    escalation: [{name: a, when: {all: [{moood: angry}]}, then: {tell: {to: desk}}}]\n",
            '10: employees.ada.escalation[0].when.all[0].moood: unknown field; did you mean "mood"?',
        ),
        (
            "    persona:",
            "    escalation: [{name: a, when: {turns: 3}, then: {hand_off: {too: desk}}}]\n",
            '10: employees.ada.escalation[0].then.hand_off.too: unknown field; did you mean "to"?',
        ),
        ("    persona:", "    escalation:\n    - x\n", "11: employees.ada.escalation[0]: must hold names and values"),
        ("local/smollm2", "smollm2", "3: models[1]: must be provider/model"),
        ("local/smollm2", "bedrock/x", "3: models[1]: must be provider/model"),
        ("20/minute", "a lot", "5: limits.contact: must be a number in a time, such as 20/minute"),
        (
            "    channels: {",
            f"    functions: [{'a' * 121}]\n    channels: {{",
            "21: connections.main-slack.functions[0]: is longer",
        ),
        (
            "    kind: console\n",
            f"    kind: console\n    functions: [{'a, ' * 11}]\n",
            "24: connections.test.functions: has",
        ),
        ("kind: console", "kind: pigeon", "23: connections.test.kind: must be one of slack, console"),
        ("    kind: console\n", "", "22: connections.test.kind: must be one of slack, console"),
        ("T012AB3CD", "acme", "18: connections.main-slack.team_id: must be a workspace's id such as T012AB3CD"),
        ("C024BE91L", "general", "21: connections.main-slack.channels.general: must be a channel's id"),
        ("{C024BE91L: ada}", "{C024BE91L: bert}", "21: connections.main-slack.channels.C024BE91L: there is no such"),
        ("{C024BE91L: ada}", "ada", "21: connections.main-slack.channels: must hold names and values"),
        ("  ada:\n", "  Ada!:\n", "7: employees.Ada!: must be lower-case letters, digits and hyphens"),
    ],
)
def test_what_cannot_be_used_is_told_with_line_and_field(old: str, new: str, complaint: str) -> None:
    assert any(line.startswith(f"tenant.yaml:{complaint}") for line in complaints(changed(old, new)))


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        changed("name: Acme Bikes", "name: Acme Bikes\nname: Acme")
        .replace("20/minute", "many")
        .replace("${ACME_TOKEN}", "${OTHER}")
        .replace("console\n    employee: ada", "console\n    employee: adda")
    )
    assert complaints(text) == [
        "tenant.yaml:3: name: is given a second time",
        "tenant.yaml:6: limits.contact: must be a number in a time, such as 20/minute or 100/10 seconds",
        "tenant.yaml:18: connections.main-slack.bot_token: the environment variable OTHER is not set",
        'tenant.yaml:25: connections.test.employee: there is no such employee; did you mean "ada"?',
    ]


def test_a_manifest_without_employees_is_refused() -> None:
    assert "tenant.yaml:3: employees: needs at least one entry" in complaints("tenant: acme\nname: A\nemployees: {}\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "tenant.yaml:1: must begin with names and values"),
        ("- tenant", "tenant.yaml:1: must begin with names and values"),
        ("tenant: acme\nname: [a\n", "tenant.yaml:3: is not YAML: expected ',' or ']'"),
        ("tenant: acme\n\tname: a\n", "tenant.yaml:2: is not YAML: "),
        ("tenant: acme\nname: *other\n", "tenant.yaml:2: is not YAML: "),
        ("tenant: acme\n---\ntenant: other\n", "tenant.yaml:2: is not YAML: "),
        ("tenant: acme\nname: \x07\n", "tenant.yaml:2: holds a character that may not stand in YAML"),
        ("[" * 5_000, "tenant.yaml:1: is nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, complaint: str) -> None:
    assert complaints(text)[0].startswith(complaint)


def test_tags_make_no_objects(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    text = changed("name: Acme Bikes", f"name: !!python/object/apply:pathlib.Path.touch [{trace}]")

    assert "tenant.yaml:2: name: tags (!name) are not read here" in complaints(text)
    assert not trace.exists()


def test_aliases_are_refused_before_they_multiply() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for name, previous in zip("bcdefghij", "abcdefghi", strict=True):
        bomb += f"{name}: &{name} [{', '.join(['*' + previous] * 9)}]\n"

    assert "tenant.yaml:2: b[0]: aliases (*name) are not read here; write the value out" in complaints(bomb)


def test_rules_of_escalation_are_kept_as_they_are_read_again() -> None:
    rules = """    escalation:
    - name: stuck
      when: {any: [{failed_attempts: 2}, {confidence_below: 0.5}, {asked_for_human: true}, {tool_failed: true}]}
      then: {hand_off: {}}
    persona:"""
    kept = parse(changed("    persona:", rules)).employees["ada"].content()["escalation"]
    assert kept == [
        {
            "name": "stuck",
            "when": {
                "any": [
                    {"failed_attempts": 2},
                    {"confidence_below": 0.5},
                    {"asked_for_human": True},
                    {"tool_failed": ["*"]},
                ]
            },
            "then": {"hand_off": {"priority": "normal"}},
        }
    ]


@pytest.mark.parametrize(
    "text",
    [
        changed("${ACME_TOKEN}", "xapp-canary"),
        changed("${ACME_TOKEN}", "[xoxb-canary]"),
        changed("${ACME_TOKEN}", "xoxb-canary${ACME_TOKEN}"),
        changed("${ACME_TOKEN}", "xoxb-canary\n    bot_token: xoxb-canary-2"),
        changed("${ACME_TOKEN}", "xoxb-canary: x"),
        changed("${ACME_TOKEN}", '"xoxb-canary'),
        changed("${ACME_TOKEN}", "xoxb-canary").replace("kind: console", "kind: xoxb-canary"),
        changed("${ACME_TOKEN}", "xoxb-canary").replace("employee: ada", "employee: xoxb-canary"),
        changed("${ACME_TOKEN}", "xoxb-canary").replace("T012AB3CD", "xoxb-canary"),
        changed("20/minute", "xoxb-canary").replace("local/smollm2", "xoxb-canary"),
        changed("name: Acme Bikes", "name: Acme Bikes\nodd: ${ACME_TOKEN}"),
    ],
)
def test_no_complaint_shows_a_secret(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)

    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in str(error)
        error = error.__cause__ or error.__context__


def test_a_secret_in_clear_is_taken_and_not_shown() -> None:
    acme = parse(changed("${ACME_TOKEN}", TOKEN))
    assert isinstance(slack := acme.connections["main-slack"], SlackConnection)
    assert slack.bot_token.get_secret_value() == TOKEN
    assert "canary" not in repr(acme)


def test_only_secrets_are_taken_from_the_environment() -> None:
    assert parse(changed("Be brief.", "Say ${ACME_TOKEN}.")).employees["ada"].system_prompt.endswith("${ACME_TOKEN}.")


def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        manifest.read(path, {})
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        manifest.read(tmp_path, {})
    path.write_bytes(b"tenant: acme\nname: \xff\n")
    with pytest.raises(BadInput, match=r"tenant\.yaml:2: is not UTF-8 text"):
        manifest.read(path, {})
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(BadInput, match="is larger than 1,000,000 bytes"):
        manifest.read(path, {})
