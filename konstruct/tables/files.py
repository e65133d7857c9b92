"""Files that came with messages, and objects that are to be removed from where files are kept."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlmodel import Field

from konstruct.tables.base import Owned, moment


class File(Owned, table=True):
    """``state``: it ``waits`` to be fetched, is ``kept``, was ``refused`` as what it is, or could not be had
    (``failed``). What its sender called it is with its message."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("tenant_id", "message_id", "position"),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "message_id"], ["messages.tenant_id", "messages.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index("files_of_conversation", "tenant_id", "conversation_id", "state"),
        Index("files_of_contact", "tenant_id", "contact_id", "digest"),
        Index("files_of_object", "tenant_id", "object_id", postgresql_where=text("object_id is not null")),
    )

    conversation_id: UUID
    message_id: UUID
    contact_id: UUID
    position: int = Field(sa_type=SmallInteger)
    """Among the files of its message."""
    state: str = "waiting"
    object_id: UUID | None = None
    """Under which its content lies in the store; files of one contact with the same content share one."""
    digest: str | None = None
    """Of its content, comparable for this contact alone."""
    size: int | None = Field(default=None, sa_type=BigInteger)
    """Bytes, as they were found to be."""
    media_type: str | None = None
    """What is kept, by its content."""
    sealed_text: bytes | None = Field(default=None, sa_type=LargeBinary)
    """The beginning of a document's text, or what is said in a recording."""
    error: str | None = None
    """A sentence that says why it is not kept."""
    created_at: datetime = moment()
    settled_at: datetime | None = moment(optional=True)


class FileRemoval(Owned, table=True):
    """Its id is the object's."""

    __tablename__ = "file_removals"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        Index("file_removals_by_time", "due_at"),
    )

    due_at: datetime = moment()
