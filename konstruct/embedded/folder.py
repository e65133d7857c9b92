"""The data folder: made private, used by one stack at a time, its secrets written whole or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from konstruct.errors import Conflict, Misconfigured

LOCK_FILE = "lock"
KEY_FILE = "encryption.key"


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Holds the folder for this process; the kernel lets go of it when the process ends in whatever way.

    Raises Conflict when another stack holds it, and Misconfigured when this user cannot use it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("a+")
    except OSError as error:
        raise Misconfigured(
            f"The data folder {folder} cannot be used ({error.strerror}): set KONSTRUCT_DATA_DIR to one that you own."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Conflict(
                f"Konstruct already runs on {folder} (process {lock.read().strip()}): "
                "stop it first, or set KONSTRUCT_DATA_DIR to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step; nobody but its owner may read it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def encryption_key(folder: Path) -> str:
    """The folder's Fernet key, made at the first call."""
    path = folder / KEY_FILE
    if not path.exists():
        write_private(path, Fernet.generate_key().decode())
    return path.read_text().strip()
