"""The knowledge base: sources, their documents, the chunks that are searched, and the chunks' vectors."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, document, moment


class KnowledgeSource(Owned, table=True):
    """Where documents come from: files that were handed in, one web page, or a sitemap."""

    __tablename__ = "knowledge_sources"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        Index("knowledge_sources_due", "next_sync_at", postgresql_where=text("next_sync_at is not null")),
    )

    key: str
    kind: str
    title: str
    url: str | None = None
    is_trusted: bool = False
    """Whether nobody but the tenant writes what is in it."""
    sync_every_seconds: int | None = None
    status: str = "idle"
    status_reason: str | None = None
    status_changed_at: datetime = moment()
    sync_id: UUID | None = None
    """The synchronisation that is under way, or was last."""
    found: int = 0
    """Documents that it found."""
    done: int = 0
    """Of these, how many are settled, well or not."""
    synced_at: datetime | None = moment(optional=True)
    next_sync_at: datetime | None = moment(optional=True)
    created_at: datetime = moment()


class KnowledgeDocument(Owned, table=True):
    __tablename__ = "knowledge_documents"
    __table_args__ = (
        UniqueConstraint("tenant_id", "source_id", "name"),
        ForeignKeyConstraint(
            ["tenant_id", "source_id"], ["knowledge_sources.tenant_id", "knowledge_sources.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "duplicate_of"],
            ["knowledge_documents.tenant_id", "knowledge_documents.id"],
            ondelete="SET NULL (duplicate_of)",
        ),
        Index("knowledge_documents_by_digest", "tenant_id", "digest"),
        Index(
            "knowledge_documents_duplicates",
            *("tenant_id", "duplicate_of"),
            postgresql_where=text("duplicate_of is not null"),
        ),
        Index("knowledge_documents_open", "tenant_id", "source_id", "status"),
    )

    source_id: UUID
    name: str
    """The file's name or the page's address; unique in its source."""
    title: str
    link: str | None = None
    """Where people can read it."""
    media_type: str | None = None
    digest: bytes | None = Field(default=None, sa_type=LargeBinary)
    """SHA-256 of its content as it was last read."""
    size: int = Field(default=0, sa_type=BigInteger)
    """Bytes."""
    status: str = "waiting"
    error: str | None = None
    """A sentence for the operator."""
    chunks: int = 0
    text_bytes: int = Field(default=0, sa_type=BigInteger)
    """Of these chunks together; plans limit it."""
    etag: str | None = None
    last_modified: str | None = None
    duplicate_of: UUID | None = None
    """The document of the same content that is searched in its place."""
    seen_in: UUID | None = None
    """The synchronisation that last found it at its source."""
    tries: int = Field(default=0, sa_type=SmallInteger)
    """Attempts at reading it that ended without a word, as with the process that made them."""
    indexed_at: datetime | None = moment(optional=True)
    created_at: datetime = moment()
    updated_at: datetime = moment()


class KnowledgeContent(SQLModel, table=True):
    """What was handed in, as it came."""

    __tablename__ = "knowledge_contents"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["knowledge_documents.tenant_id", "knowledge_documents.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: UUID = Field(primary_key=True)
    document_id: UUID = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class KnowledgeChunk(Owned, table=True):
    """A passage, as it is searched and shown."""

    __tablename__ = "knowledge_chunks"
    __table_args__ = (
        UniqueConstraint("tenant_id", "document_id", "position", deferrable=True, initially="DEFERRED"),
        ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["knowledge_documents.tenant_id", "knowledge_documents.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "source_id"], ["knowledge_sources.tenant_id", "knowledge_sources.id"], ondelete="CASCADE"
        ),
        Index("knowledge_chunks_of_source", "tenant_id", "source_id"),
        Index("knowledge_chunks_to_embed", "embedded_with"),
    )

    document_id: UUID
    source_id: UUID
    position: int
    headings: list[str] = document(list)
    text: str
    page: int | None = None
    digest: bytes = Field(sa_type=LargeBinary)
    words: str = Field(sa_type=TSVECTOR)
    length: int
    """How many words it has, as a search counts them."""
    embedded_with: str | None = None
    """The model that its vector is of; none yet."""


class KnowledgeVector(SQLModel, table=True):
    """A chunk's place in the space of one model."""

    __tablename__ = "knowledge_vectors"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "chunk_id"], ["knowledge_chunks.tenant_id", "knowledge_chunks.id"], ondelete="CASCADE"
        ),
        Index("knowledge_vectors_of_source", "tenant_id", "source_id", "model"),
        {"postgresql_partition_by": "HASH (tenant_id)"},
    )

    tenant_id: UUID = Field(primary_key=True)
    chunk_id: UUID = Field(primary_key=True)
    source_id: UUID
    model: str
    dimensions: int
    vector: Any = Field(sa_type=HALFVEC)
