"""Contracts of the workflows that fill the knowledge base."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

SYNC_WORKFLOW: Final = "SyncSourceWorkflow"


@dataclass(frozen=True)
class SyncState:
    """``sync_id``: what is under way, for a run that goes on; ``is_listed``: whether all that is there was found."""

    tenant_id: UUID
    source_id: UUID
    sync_id: UUID | None = None
    is_listed: bool = False


@dataclass(frozen=True)
class SyncRequest:
    tenant_id: UUID
    source_id: UUID
    sync_id: UUID


@dataclass(frozen=True)
class Progress:
    """Whether there is nothing left to do in a synchronisation, well or not."""

    is_over: bool


@dataclass(frozen=True)
class Started:
    """How many synchronisations were started."""

    syncs: int


@dataclass(frozen=True)
class ChunksEmbedded:
    """How many chunks got a vector."""

    chunks: int


LOCATE_WORKFLOW: Final = "LocateQuestionWorkflow"


@dataclass(frozen=True)
class QuestionToLocate:
    """A question that somebody tries out, sealed under the tenant's key, as ``knowledge.trying`` does."""

    tenant_id: UUID
    question_id: UUID
    sealed: str


@dataclass(frozen=True)
class QuestionLocated:
    """``sealed``: its vector by each model, under the same key."""

    sealed: str
