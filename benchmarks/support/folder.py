"""A folder for the servers that a benchmark starts, gone afterwards; and how a benchmark speaks."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


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


def keep(path: Path, figures: Mapping[str, Any]) -> None:
    """Writes what was measured beside the benchmark, with when and on how much of a machine."""
    when = {"date": datetime.now(UTC).date().isoformat(), "cores": os.cpu_count()}
    path.write_text(json.dumps({**when, **figures}, indent=2) + "\n")
