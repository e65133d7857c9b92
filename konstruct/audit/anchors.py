"""Anchors: what each seal's root was, in a file that no administrator of the database can write.

One signed line a seal; it holds ids, numbers and hashes, and nothing about people.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from konstruct.audit.signing import Signatures, holds
from konstruct.errors import Misconfigured
from konstruct.tables import AuditSeal

_KIND: Final = "konstruct audit anchor v1"
_RESTORED: Final = "konstruct audit restoration v1"


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


@dataclass(frozen=True)
class Restored:
    """One time that the database was put back to an earlier moment, as it was told to the anchors then.

    Seals that were anchored before it and are newer than what the database was put back to are gone: they are missed
    without having been removed.
    """

    id: UUID
    """Also the trail tells of it, by this id."""
    of_moment: datetime
    restored_at: datetime
    through: int
    """The newest seal of the tenant that the database had then; 0: none."""
    lost: set[int] = field(default_factory=set, compare=False)
    """Seals that were anchored and are gone with it."""

    def __str__(self) -> str:
        which = f"seals {_ranges(self.lost)}, which were anchored, are gone" if self.lost else "no seal is gone"
        return (
            f"the database was restored at {self.restored_at:%Y-%m-%d %H:%M:%S} UTC to what it was at"
            f" {self.of_moment:%Y-%m-%d %H:%M:%S} UTC: {which} with it"
        )


def line_of_restoration(signatures: Signatures, tenant_id: UUID, restored: Restored) -> str:
    return signatures.sign(
        {
            "kind": _RESTORED,
            "tenant": str(tenant_id),
            "restoration": str(restored.id),
            "of_moment": restored.of_moment.isoformat(),
            "restored_at": restored.restored_at.isoformat(),
            "through": restored.through,
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
    restored: dict[UUID, list[Restored]] = field(default_factory=dict)
    """By tenant, in their order."""


def read(
    paths: Iterable[Path], signatures: Signatures, wanted: Callable[[UUID], bool] = lambda tenant_id: True
) -> Anchors:
    """What the lines about the wanted tenants say. Blocks; a file that is missing says nothing.

    Raises:
        Misconfigured: a file cannot be read.
    """
    anchors, paths = Anchors(), list(paths)
    # First, since a restoration says of lines of any file, wherever they stand, that their seals are gone.
    for enter, is_wanted_row in ((_enter_restoration, _tells_of_restoration), (_enter, _tells_of_seal)):
        for path in paths:
            try:
                for place, document in _documents(path, is_wanted_row):
                    tenant_id = _tenant(document)
                    if tenant_id is None or wanted(tenant_id):
                        flaw = _flaw(document, signatures) or enter(anchors, document)
                        if flaw:
                            anchors.flaws.setdefault(tenant_id, f"line {place} of {path} {flaw}")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Misconfigured(f"The anchors in {path} cannot be read ({error.strerror}).") from error
    return anchors


def _tells_of_restoration(row: bytes) -> bool:
    return _RESTORED.encode() in row


def _tells_of_seal(row: bytes) -> bool:
    return not _tells_of_restoration(row)


def _documents(path: Path, is_wanted: Callable[[bytes], bool]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines with their numbers; empty for what is no JSON. One that a crash cut off was written again later."""
    cut_off: list[tuple[int, bytes]] = []
    with path.open("rb") as file:
        for place, row in enumerate(file, start=1):
            if not is_wanted(row):
                continue
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
    if not document or document.get("kind") not in (_KIND, _RESTORED):
        return "is no anchor: it was edited, or belongs to something else"
    if not holds(document):
        return "does not bear out its signature: it was edited or forged"
    if not signatures.knows(document):
        return "is signed with a key that is not in KONSTRUCT_ENCRYPTION_KEYS: it was forged, or the key was taken out"
    return None


def _enter_restoration(anchors: Anchors, document: dict[str, Any]) -> None:
    restored = Restored(
        UUID(document["restoration"]),
        datetime.fromisoformat(document["of_moment"]),
        datetime.fromisoformat(document["restored_at"]),
        document["through"],
    )
    known = anchors.restored.setdefault(UUID(document["tenant"]), [])
    if restored not in known:
        known.append(restored)
        known.sort(key=lambda each: each.restored_at)


def _enter(anchors: Anchors, document: dict[str, Any]) -> str | None:
    number, root = document["seal"], bytes.fromhex(document["root"])
    sealed_at = datetime.fromisoformat(document["sealed_at"])
    for restored in anchors.restored.get(UUID(document["tenant"]), ()):
        if sealed_at <= restored.restored_at and number > restored.through:
            restored.lost.add(number)
            return None
    known = anchors.roots.setdefault(UUID(document["tenant"]), {}).setdefault(number, root)
    if known != root:
        return f"gives seal {number} another root than an earlier line: the trail was rewritten after it was anchored"
    return None


def _ranges(numbers: set[int]) -> str:
    """Such as ``3 to 7, 9``."""
    told: list[list[int]] = []
    for number in sorted(numbers):
        if told and number == told[-1][1] + 1:
            told[-1][1] = number
        else:
            told.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in told)


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
