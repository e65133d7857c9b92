"""The README tells the truth: its settings, its manifest, its commands and its links."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from konstruct.cli import app
from konstruct.settings import Settings

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text()
DOCUMENTS = [CHECKOUT / "README.md", CHECKOUT / "AGENTS.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def settings_table() -> str:
    rows = ["| variable | what it sets | default |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = {None: "", (): "", False: "no"}.get(field.default, f"`{field.default}`")
        rows.append(f"| `KONSTRUCT_{name.upper()}` | {field.description or ''} | {default} |")
    return "\n".join(rows)


def test_the_settings_table_is_what_the_code_reads() -> None:
    assert settings_table() in README


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_command_that_a_document_names_exists() -> None:
    known = {
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
        if command.callback
    }
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:bin/|`)konstruct ([a-z][a-z-]+)", document.read_text()))
        assert named <= known, document.name
    for command in known:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


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
