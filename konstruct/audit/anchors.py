"""Anchors: what each seal's root was, in a file that no administrator of the database can write.

One signed line a seal; it holds ids, numbers and hashes, and nothing about people.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from konstruct.audit.signing import Signatures, holds
from konstruct.errors import Misconfigured
from konstruct.tables import AuditSeal

_KIND: Final = "konstruct audit anchor v1"


def line(signatures: Signatures, seal: AuditSeal) -> str:
    return signatures.sign(
        {
            "kind": _KIND,
            "tenant": str(seal.tenant_id),
            "seal": seal.number,
            "sealed_at": seal.sealed_at.isoformat(),
            "leaves": seal.leaves,
            "root": seal.root.hex(),
            "previous": seal.previous.hex(),
        }
    )


def append(path: Path, lines: Iterable[str]) -> None:
    """Returns when the lines are on the disk. Blocks.

    Raises:
        Misconfigured: the file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not path.exists()
        with open(path, "ab", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # A line that a crash cut off stays as it is, on a line of its own.
            cut_off = b"\n" if _is_cut_off(path) else b""
            file.write(cut_off + "".join(f"{each}\n" for each in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise Misconfigured(
            f"The audit trail's anchors cannot be written to {path} ({error.strerror}): "
            "make room or set KONSTRUCT_AUDIT_ANCHORS. The seals wait in the database."
        ) from error


@dataclass
class Anchors:
    """What anchor files say, of one tenant or of all."""

    roots: dict[UUID, dict[int, bytes]] = field(default_factory=dict)
    """By tenant and seal."""
    flaws: dict[UUID | None, str] = field(default_factory=dict)
    """The first of each tenant; of no tenant where a line does not even say whose it is."""


def read(
    paths: Iterable[Path], signatures: Signatures, wanted: Callable[[UUID], bool] = lambda tenant_id: True
) -> Anchors:
    """What the lines about the wanted tenants say. Blocks; a file that is missing says nothing.

    Raises:
        Misconfigured: a file cannot be read.
    """
    anchors = Anchors()
    for path in paths:
        try:
            for place, document in _documents(path):
                tenant_id = _tenant(document)
                if tenant_id is None or wanted(tenant_id):
                    flaw = _flaw(document, signatures) or _enter(anchors, document)
                    if flaw:
                        anchors.flaws.setdefault(tenant_id, f"line {place} of {path} {flaw}")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Misconfigured(f"The anchors in {path} cannot be read ({error.strerror}).") from error
    return anchors


def _documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines with their numbers; empty for what is no JSON. One that a crash cut off was written again later."""
    cut_off: list[tuple[int, bytes]] = []
    with path.open("rb") as file:
        for place, row in enumerate(file, start=1):
            try:
                document = json.loads(row)
            except ValueError:
                cut_off += [(place, row)] if row.strip() else []
                continue
            cut_off = [(where, part) for where, part in cut_off if not row.startswith(part.rstrip(b"\n"))]
            yield place, document if isinstance(document, dict) else {}
    # The very last one, without its end, may be one that is being written.
    yield from ((where, {}) for where, part in cut_off if part.endswith(b"\n"))


def _tenant(document: dict[str, Any]) -> UUID | None:
    try:
        return UUID(document["tenant"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _flaw(document: dict[str, Any], signatures: Signatures) -> str | None:
    if not document or document.get("kind") != _KIND:
        return "is no anchor: it was edited, or belongs to something else"
    if not holds(document):
        return "does not bear out its signature: it was edited or forged"
    if not signatures.knows(document):
        return "is signed with a key that is not in KONSTRUCT_ENCRYPTION_KEYS: it was forged, or the key was taken out"
    return None


def _enter(anchors: Anchors, document: dict[str, Any]) -> str | None:
    number, root = document["seal"], bytes.fromhex(document["root"])
    known = anchors.roots.setdefault(UUID(document["tenant"]), {}).setdefault(number, root)
    if known != root:
        return f"gives seal {number} another root than an earlier line: the trail was rewritten after it was anchored"
    return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_cut_off(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
