"""A folder for the servers that a benchmark starts, gone afterwards; and how a benchmark speaks."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def data_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="konstruct-bench-"))
    # Postgres may have to run under another account.
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o700)
    try:
        yield data
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def say(sentence: str) -> None:
    print(sentence, flush=True)
