import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from konstruct.embedded.folder import encryption_key, held_folder, write_private
from konstruct.errors import Conflict, Misconfigured

HOLDS = """
import pathlib, signal, sys
from konstruct.embedded.folder import held_folder
with held_folder(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_a_held_folder_names_its_holder_and_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        with pytest.raises(Conflict, match=rf"already runs on .*\(process {holder.pid}\)"), held_folder(tmp_path):
            pass

        holder.kill()

    with held_folder(tmp_path):
        pass


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    with held_folder(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_in_the_place_of_the_folder_is_a_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(Misconfigured, match=r"cannot be used.*KONSTRUCT_DATA_DIR"), held_folder(tmp_path / "data"):
        pass


def test_a_private_file_is_replaced_whole_and_read_by_nobody_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("older and longer")
    secret.chmod(0o644)

    write_private(secret, "new")

    assert secret.read_text() == "new"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [secret]


def test_the_encryption_key_is_made_once(tmp_path: Path) -> None:
    key = encryption_key(tmp_path)

    assert Fernet(key)
    assert encryption_key(tmp_path) == key
