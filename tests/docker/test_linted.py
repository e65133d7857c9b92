"""What runs in containers is judged by the tools that it is for, each from its own package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.composed import CHECKOUT, COMPOSE, DOCKER

TOOLS = Path(sys.executable).parent
SCRIPTS = [
    *sorted(DOCKER.rglob("*.sh")),
    DOCKER / "konstruct",
    CHECKOUT / "bin" / "konstruct",
    CHECKOUT / ".ci" / "run",
]
COMPOSED = [COMPOSE, DOCKER / "observing" / "compose.yaml"]
NAMES = {"GATEWAY_HOST": "hooks.example.com", "PORTAL_HOST": "portal.example.com", "ACME_EMAIL": "ops@example.com"}


def judged(tool: str, *arguments: str | Path, **env: str) -> str:
    """What the tool has to say, which is nothing where all is well."""
    command = (str(TOOLS / tool), *map(str, arguments))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_dockerfile_is_as_hadolint_wants_it(tmp_path: Path) -> None:
    assert judged("hadolint", DOCKER / "Dockerfile") == ""
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM debian:latest\nRUN apt-get update && apt-get install python3\n")
    assert "DL3007" in judged("hadolint", careless)


def test_the_scripts_are_as_shellcheck_wants_them(tmp_path: Path) -> None:
    assert len(SCRIPTS) >= 6
    assert judged("shellcheck", *SCRIPTS) == ""
    careless = tmp_path / "careless.sh"
    careless.write_text("#!/bin/sh\nrm -r $1/*\n")
    assert "SC2086" in judged("shellcheck", careless)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_script_can_be_run(path: Path) -> None:
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("path", COMPOSED, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_the_composition_is_as_its_specification_has_it(path: Path, tmp_path: Path) -> None:
    assert judged("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path) == ""
    careless = tmp_path / "compose.yaml"
    careless.write_text(path.read_text().replace("mem_limit:", "memory_limit:"))
    assert "memory_limit" in judged("check-jsonschema", "--builtin-schema", "vendor.compose-spec", careless)


def test_caddy_takes_its_file_and_would_format_it_no_otherwise(tmp_path: Path) -> None:
    caddyfile = DOCKER / "caddy" / "Caddyfile"
    arguments = ("validate", "--adapter", "caddyfile", "--config")
    assert judged("caddy", *arguments, caddyfile, HOME=str(tmp_path), **NAMES) == ""
    assert judged("caddy", "fmt", "--diff", caddyfile, HOME=str(tmp_path)) == ""
    careless = tmp_path / "Caddyfile"
    careless.write_text(caddyfile.read_text().replace("max_size", "most_size"))
    assert "most_size" in judged("caddy", *arguments, careless, HOME=str(tmp_path), **NAMES)
