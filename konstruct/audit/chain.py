"""What the trail's hashes are taken over: the same bytes, field by field, as the database's functions take. Pure.

Each field stands behind its length, so that one field's end never passes for the next one's start.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

EVENT: Final = b"konstruct audit event v1"
LEAF: Final = b"konstruct audit leaf v1"
NODE: Final = b"konstruct audit node v1"
SEAL: Final = b"konstruct audit seal v1"

START: Final = b""
"""What stands before the first event of a chain and before the first seal of a tenant."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Link(NamedTuple):
    """An event as it is hashed."""

    tenant_id: UUID
    chain_id: UUID
    seq: int
    id: UUID
    happened_at: int
    """Microseconds since 1970."""
    actor: str
    action: str
    subject_id: UUID | None
    payload: bytes
    content_hash: bytes | None
    """SHA-256 of what is sealed in it; None when there is nothing."""
    prev: bytes

    def hash(self) -> bytes:
        return _digest(
            EVENT,
            self.tenant_id.bytes,
            self.chain_id.bytes,
            _int8(self.seq),
            self.id.bytes,
            _int8(self.happened_at),
            self.actor.encode(),
            self.action.encode(),
            self.subject_id.bytes if self.subject_id else b"",
            hashlib.sha256(self.payload).digest(),
            self.content_hash or b"",
            self.prev,
        )


def canonical(document: Mapping[str, object]) -> bytes:
    """JSON with sorted keys and without spaces. Of one document there is one form: fractions become strings.

    Raises:
        TypeError: something in it is no text, number, truth value, id, list or mapping.
    """
    return _written(_plain(document))


def reread(document: str) -> bytes:
    """The one form of a document that the database hands out in its own; empty for what was never written so."""
    try:
        return _written(json.loads(document))
    except (ValueError, RecursionError):
        return b""


def leaf(chain_id: UUID, seq: int, head: bytes) -> bytes:
    return _digest(LEAF, chain_id.bytes, _int8(seq), head)


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class Tree:
    """A Merkle root over leaves that come one after the other, of which only one a level is kept.

    A node without a partner rises as it is.
    """

    def __init__(self) -> None:
        self._levels: list[bytes | None] = []
        self.leaves = 0

    def add(self, node: bytes) -> None:
        self.leaves += 1
        for level, waiting in enumerate(self._levels):
            if waiting is None:
                self._levels[level] = node
                return
            self._levels[level] = None
            node = _digest(NODE, waiting, node)
        self._levels.append(node)

    def root(self) -> bytes:
        """Empty when there was no leaf, which no seal has."""
        nodes = [node for node in self._levels if node is not None]
        top = nodes[0] if nodes else b""
        for node in nodes[1:]:
            top = _digest(NODE, node, top)
        return top


def seal(tenant_id: UUID, number: int, sealed_at: datetime, tree: Tree, previous: bytes) -> bytes:
    """The root that is anchored. It commits to the root before, so that the newest one vouches for all."""
    return _digest(
        SEAL, tenant_id.bytes, _int8(number), _int8(microseconds(sealed_at)), _int8(tree.leaves), tree.root(), previous
    )


def _written(document: object) -> bytes:
    return _ENCODER.encode(document).encode()


def _digest(*fields: bytes) -> bytes:
    return hashlib.sha256(b"".join([len(field).to_bytes(4, "big") + field for field in fields])).digest()


def _int8(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        # Neither a NUL nor half a surrogate can be stored.
        return value.replace("\0", "�").encode(errors="replace").decode()
    if isinstance(value, float | Decimal | UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(inner) for inner in value]
    raise TypeError(f"An audit event cannot hold a {type(value).__name__}.")
