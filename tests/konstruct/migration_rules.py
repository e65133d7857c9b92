"""What a migration may do while gateways, portals and workers of the release before it go on.

``docs/deploying.md`` says how each rule is kept. Squawk judges the SQL, but of what landed before there were rules.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

import konstruct.migrations

FIRST_JUDGED: Final = "0040"
"""Older ones have landed, and are not edited."""
EXCLUDED: Final = {
    # `konstruct migrate` sets it for all of them, and a look at many rows may take its time.
    "require-lock-timeout",
    "require-statement-timeout",
    # Matters of taste, or of what the table is for.
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamp-tz",
    "prefer-identity",
    # Look-ups are functions, and made anew with what they return; the release before calls them by position.
    "ban-drop-function",
}
_SQUAWK: Final = Path(sys.executable).parent / "squawk"


@dataclass(frozen=True)
class Finding:
    rule: str
    line: int
    says: str


def migrations() -> list[Script]:
    """The oldest first."""
    return [*ScriptDirectory(str(Path(konstruct.migrations.__file__).parent)).walk_revisions()][::-1]


def sql(migration: Script) -> str:
    """What it has Postgres do: its file, or else what Alembic would run."""
    script = Path(migration.path).with_suffix(".sql")
    if script.exists():
        return script.read_text()
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "literal_binds": True}
    )
    with Operations.context(context):
        migration.module.upgrade()
    return written.getvalue()


def judge(statements: str, *, in_transaction: bool = True, excluded: Iterable[str] = EXCLUDED) -> list[Finding]:
    command = [str(_SQUAWK), "--reporter", "json", "--pg-version", "18", "--stdin-filepath", "migration.sql"]
    command += ["--exclude", ",".join(sorted(excluded))]
    command += ["--assume-in-transaction"] if in_transaction else ["--no-assume-in-transaction"]
    done = subprocess.run(command, input=statements, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or done.stderr:
        raise RuntimeError(done.stderr or done.stdout)
    return [Finding(each["rule_name"], each["line"] + 1, each["message"]) for each in json.loads(done.stdout)]
