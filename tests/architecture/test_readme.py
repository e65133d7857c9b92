"""The README tells the truth: its settings, its manifest, its commands and its links."""

import json
import re
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from konstruct.cli import app
from konstruct.settings import Settings

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text()
DOCUMENTS = [CHECKOUT / "README.md", CHECKOUT / "AGENTS.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def settings_table() -> str:
    rows = ["| variable | what it sets | default |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = {"None": "", "()": "", "{}": "", "False": "no"}.get(str(field.default), f"`{field.default}`")
        rows.append(f"| `KONSTRUCT_{name.upper()}` | {field.description or ''} | {default} |")
    return "\n".join(rows)


def test_the_settings_table_is_what_the_code_reads() -> None:
    assert settings_table() in README


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_command_that_a_document_names_exists() -> None:
    known: set[tuple[str, ...]] = {(name,) for name in commands(app)}
    for group in app.registered_groups:
        assert group.name
        assert group.typer_instance
        known |= {(group.name,), *((group.name, name) for name in commands(group.typer_instance))}
    groups = "|".join(str(group.name) for group in app.registered_groups)
    for document in DOCUMENTS:
        found = re.findall(rf"(?:bin/|`)konstruct ((?:{groups}) [a-z]+|[a-z][a-z-]+)", document.read_text())
        assert {tuple(named.split()) for named in found} <= known, document.name
    for command in known:
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0


def commands(of: Typer) -> set[str]:
    return {
        command.name or command.callback.__name__.replace("_", "-")
        for command in of.registered_commands
        if command.callback
    }


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"`make ([a-z]+)`", document.read_text())) <= targets, document.name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_file_that_a_document_links_to_exists(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_manifest_that_the_readme_points_to_is_json() -> None:
    assert "docs/slack/manifest.json" in README
    assert json.loads((CHECKOUT / "docs/slack/manifest.json").read_text())["features"]["agent_view"]
