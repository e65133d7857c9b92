"""A fingerprint of each workflow's code: `python -m tests.workflows.fingerprints` keeps them.

What a workflow does is its own module and those of ours that it uses; words about it and time limits do not count.
"""

import ast
import hashlib
import inspect
import json
import sys
from pathlib import Path
from typing import Final

from temporalio import workflow

from tests.workflows.kinds import WORKFLOWS
from workflows import policies

FILE: Final = Path(__file__).parent / "fingerprints.json"
LIMITS: Final = {name: value for name, value in vars(policies).items() if name.isupper() and isinstance(value, int)}
"""How often something is done in a run, which decides what comes next; how long it may take does not."""


def taken() -> dict[str, str]:
    found = {}
    for each in WORKFLOWS:
        digest = hashlib.sha256(json.dumps(LIMITS, sort_keys=True).encode())
        for name in sorted(_modules(each.__module__, set())):
            digest.update(ast.unparse(_without_words(ast.parse(inspect.getsource(sys.modules[name])))).encode())
        found[str(workflow._Definition.must_from_class(each).name)] = digest.hexdigest()[:16]
    return dict(sorted(found.items()))


def kept() -> dict[str, str]:
    fingerprints: dict[str, str] = json.loads(FILE.read_text())
    return fingerprints


def _modules(name: str, known: set[str]) -> set[str]:
    """It, and the modules of workflows that it uses, but for the one with the time limits."""
    if name in known or name == policies.__name__ or not name.startswith("workflows."):
        return known
    known.add(name)
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[name]))):
        if isinstance(node, ast.ImportFrom) and node.module:
            _modules(node.module, known)
    return known


def _without_words(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_words(each)]  # type: ignore[attr-defined]
    return tree


def _is_words(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


if __name__ == "__main__":
    FILE.write_text(json.dumps(taken(), indent=2) + "\n")
