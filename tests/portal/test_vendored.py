"""What of others is kept here is unchanged, has its licence with it, and all that pages use is there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import icons
from tests.support.vendored import CHECKOUT, FOLDERS, SUMS, sums

STATIC = CHECKOUT / "portal" / "static"
# A block of data is no script.
_FORBIDDEN = re.compile(
    r"""<script(?![^>]*\b(?:src=|type="application/json"))|<style|\sstyle=|\son[a-z]+=|javascript:|hx-on"""
)
TEXTS = [
    path
    for pattern in ("*.html", "*.css", "*.js")
    for path in (CHECKOUT / "portal").rglob(pattern)
    if "vendor" not in path.parts
]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(CHECKOUT)))
def test_files_of_others_are_as_they_came(folder: Path) -> None:
    assert (folder / SUMS).read_text() == sums(folder)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(CHECKOUT)))
def test_each_of_them_has_its_licence_beside_it_and_names_no_registry(folder: Path) -> None:
    packages = [path for path in folder.iterdir() if path.is_dir()]
    assert packages
    for package in packages:
        assert list(package.glob("LICENSE*")), package.name
    for path in folder.rglob("*"):
        if path.is_file():
            assert not re.search(rb"npmjs|yarnpkg|registry\.\w+\.\w+/|resolved\b.{0,4}http", path.read_bytes()), path


def test_every_drawing_that_a_page_names_is_in_the_sprite() -> None:
    named = {
        name
        for path in TEXTS
        for name in re.findall(r"""(?:icon|icon_name|icon_after)(?:=|\()\s*"([a-z0-9-]+)\"""", path.read_text())
    }
    assert len(named) > 20
    assert named <= icons.drawn()


def test_every_file_that_a_page_or_style_names_is_there() -> None:
    named = {
        name
        for path in TEXTS
        for name in re.findall(r"""(?:static\("|/static/|from "\./)([\w./-]+\.\w+)""", path.read_text())
    }
    assert len(named) > 8
    missing = {name for name in named if not (STATIC / name).is_file() and not (STATIC / "js" / name).is_file()}
    assert not missing


def test_pages_hold_no_script_style_or_handler_that_the_policy_forbids() -> None:
    for path in TEXTS:
        if path.suffix == ".html":
            text = path.read_text()
            assert not _FORBIDDEN.search(text), path


def test_git_keeps_them_byte_for_byte() -> None:
    paths = [str(next(folder.rglob("LICENSE*")).relative_to(CHECKOUT)) for folder in FOLDERS]
    said = subprocess.run(
        ["git", "check-attr", "text", *paths], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout
    assert said.count("text: unset") == len(FOLDERS)
