"""Files of others that are kept here: their sums, so that none is changed unseen.
``python -m tests.support.vendored`` writes the sums anew after one was added."""

import hashlib
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[2]
FOLDERS: Final = (CHECKOUT / "portal/static/vendor", CHECKOUT / "tests/browser/vendor")
SUMS: Final = "SHA256SUMS"


def sums(folder: Path) -> str:
    """As `sha256sum` writes them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in files
    )


if __name__ == "__main__":
    for each in FOLDERS:
        (each / SUMS).write_text(sums(each))
