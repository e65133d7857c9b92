"""docker/prepare.sh draws the secrets of a deployment, once."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from konstruct.vault import Vault
from tests.docker.composed import DOCKER, env_file

GIVEN = ("2026.12.1", "hooks.example.com", "portal.example.com", "ops@example.com")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / "docker"
    copied.mkdir()
    for name in ("prepare.sh", "env.example", "konstruct.env.example"):
        shutil.copy(DOCKER / name, copied)
    return copied


def prepare(folder: Path, *given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(folder / "prepare.sh"), *given], capture_output=True, text=True, check=False)


def test_it_fills_in_all_that_is_needed_for_nobody_else_to_read(folder: Path) -> None:
    done = prepare(folder, *GIVEN)
    assert (done.returncode, done.stderr) == (0, "")
    drawn = env_file(folder / ".env")
    said = [drawn.pop(name) for name in ("KONSTRUCT_VERSION", "GATEWAY_HOST", "PORTAL_HOST", "ACME_EMAIL")]
    assert tuple(said) == GIVEN
    assert drawn.pop("BACKUPS_DIR") == ""
    assert all(len(password) == 48 and password.isalnum() for password in drawn.values())
    assert len(set(drawn.values())) == len(drawn) == 6
    key = env_file(folder / "konstruct.env")["KONSTRUCT_ENCRYPTION_KEYS"]
    Vault((SecretStr(key),))
    assert not [secret for secret in (key, *drawn.values()) if secret in done.stdout]
    assert {(folder / name).stat().st_mode & 0o777 for name in (".env", "konstruct.env")} == {0o600}


def test_what_is_there_is_left_as_it_is(folder: Path) -> None:
    prepare(folder, *GIVEN)
    before = [(folder / name).read_text() for name in (".env", "konstruct.env")]
    again = prepare(folder, *GIVEN)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert [(folder / name).read_text() for name in (".env", "konstruct.env")] == before


def test_it_says_what_it_wants_to_know(folder: Path) -> None:
    done = prepare(folder, "2026.12.1")
    assert done.returncode == 2
    assert done.stderr.startswith("Say the release, the gateway's name")
    assert not (folder / ".env").exists()
