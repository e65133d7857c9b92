"""Rules that a reader relies on and that no linter knows."""

import importlib
import importlib.metadata
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.architecture.supply import LOCKS

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("konstruct", "workflows", "activities", "gateway", "portal")
LONGEST_MODULE = 400

TRACKED = [
    CHECKOUT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (CHECKOUT / name).is_file()
]
MODULES = [path for path in TRACKED if path.suffix == ".py"]
PRODUCT = [path for path in MODULES if path.relative_to(CHECKOUT).parts[0] in PACKAGES]


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    assert len(MODULES) > 1_000
    assert [path for path in MODULES if len(path.read_text().splitlines()) > LONGEST_MODULE] == []


def test_every_module_says_first_what_it_is_for() -> None:
    told = [path for path in PRODUCT if path.read_text().strip() and path.parent.name != "versions"]
    assert len(told) > 500
    assert [path for path in told if not path.read_text().startswith('"""')] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_ours_is_not_one_that_somebody_else_installed(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(CHECKOUT)
    assert set(importlib.metadata.packages_distributions().get(name, ["konstruct"])) == {"konstruct"}


def test_the_wheel_holds_the_packages_and_nothing_else() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text()
    listed = re.search(r"^packages = \[(.*)\]$", text, re.MULTILINE)
    assert listed is not None
    assert tuple(re.findall(r'"(\w+)"', listed[1])) == PACKAGES


def test_the_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    for name in LOCKS:
        text = (CHECKOUT / name).read_text()
        assert "://" not in text
        pinned = re.split(r"\n(?=\S)", text.strip())
        assert len(pinned) > 10
        assert all("==" in one and "--hash=sha256:" in one for one in pinned)


def test_no_start_up_hook_of_a_dependency_runs_in_our_interpreter() -> None:
    """A poisoned release once came as such a file: it runs at every start, imported or not."""
    site = Path(sysconfig.get_path("purelib"))
    assert (site / "litellm").is_dir()
    assert {path.name for path in site.glob("*.pth")} <= {"distutils-precedence.pth"}


def test_no_page_draws_as_markup_what_it_is_given() -> None:
    """What people, models and strangers wrote is text wherever it is shown."""
    pages = [path for path in TRACKED if path.suffix == ".html" and "portal" in path.parts]
    assert len(pages) > 50
    for path in pages:
        assert not re.search(r"\|\s*safe\b|autoescape\s+false", path.read_text()), path
    for path in PRODUCT:
        assert not re.search(r"\bMarkup\(|autoescape\s*=\s*False", path.read_text()), path
