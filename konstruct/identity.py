"""Ids: types for those that are passed around most, and how new ones are made."""

import os
import time
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
ConnectionId = NewType("ConnectionId", UUID)
ConversationId = NewType("ConversationId", UUID)
MessageId = NewType("MessageId", UUID)


def id_in(text: str) -> UUID | None:
    """What somebody typed or another system gave back, where it is an id."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def new_id() -> UUID:
    """A version 7 UUID (RFC 9562): ids made later sort later, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    value = int.from_bytes(milliseconds.to_bytes(6, "big") + os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)
