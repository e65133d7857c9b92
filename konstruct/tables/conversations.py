"""Contacts, their conversations, and every message in and out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, document, moment


class Contact(Owned, table=True):
    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "external_id"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
        ),
        Index("contacts_of_person", "tenant_id", "person_id"),
        Index("contacts_to_name", "name_due_at", postgresql_where=text("name_due_at is not null")),
        Index("contacts_by_time", "tenant_id", text("created_at desc"), text("id desc")),
        Index("contacts_of_connection", "tenant_id", "connection_id", text("created_at desc"), text("id desc")),
        Index("contacts_by_name", "tenant_id", text('external_id collate "C"')),
        Index(
            "contacts_opted_out",
            *("tenant_id", text("created_at desc"), text("id desc")),
            postgresql_where=text("opted_out_at is not null"),
        ),
        Index(
            "contacts_erased",
            *("tenant_id", text("created_at desc"), text("id desc")),
            postgresql_where=text("erased_at is not null"),
        ),
    )

    connection_id: UUID
    external_id: str
    person_id: UUID
    """Shared by the contacts that are one person; a contact on its own has its own id here."""
    created_at: datetime = moment()
    erased_at: datetime | None = moment(optional=True)
    opted_out_at: datetime | None = moment(optional=True)
    """Since when they want to hear nothing more."""
    sealed_name: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What they call themselves, under their own key: see ``konstruct.naming``."""
    named_at: datetime | None = moment(optional=True)
    """When the channel last told, or was asked."""
    name_due_at: datetime | None = moment(optional=True)
    """When the channel is to be asked."""


class ContactWord(SQLModel, table=True):
    """The beginning of a word of a contact's name, as a digest under a key of the tenant's."""

    __tablename__ = "contact_words"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], ondelete="CASCADE"),
        Index("contact_words_of_contact", "tenant_id", "contact_id"),
    )

    tenant_id: UUID = Field(primary_key=True)
    digest: bytes = Field(primary_key=True, sa_type=LargeBinary)
    contact_id: UUID = Field(primary_key=True)


class ContactAlias(Owned, table=True):
    """A name by which a channel knows a contact, who may have several: see ``konstruct.aliases``."""

    __tablename__ = "contact_aliases"
    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "digest"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], ondelete="CASCADE"),
        Index("contact_aliases_of_contact", "tenant_id", "contact_id"),
    )

    connection_id: UUID
    contact_id: UUID
    digest: bytes = Field(sa_type=LargeBinary)
    """Of the name, under a key of the tenant's: it can be compared and not read."""
    sealed: bytes = Field(sa_type=LargeBinary)
    """The name, under the contact's key."""
    is_lasting: bool
    """Whether it is the person's for good, as a number is not."""
    created_at: datetime = moment()


class ContactKey(SQLModel, table=True):
    """The key under which all that is kept of a contact is sealed, itself sealed by the vault."""

    __tablename__ = "contact_keys"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], ondelete="CASCADE"),
    )

    tenant_id: UUID = Field(primary_key=True)
    contact_id: UUID = Field(primary_key=True)
    wrapped: str
    created_at: datetime = moment()


class Conversation(Owned, table=True):
    """One thread of a channel. Its row is the lock under which ownership changes and sends begin."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "channel", "root"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"]),
        Index("conversations_to_remember", "memory_due_at", postgresql_where=text("memory_due_at is not null")),
        Index("conversations_of_contact", "tenant_id", "contact_id"),
        Index(
            "conversations_by_time",
            *("tenant_id", text("last_message_at desc"), text("id desc")),
            postgresql_where=text("not is_rehearsal"),
        ),
        Index(
            "conversations_of_employee",
            *("tenant_id", "employee_id", text("last_message_at desc"), text("id desc")),
            postgresql_where=text("not is_rehearsal"),
        ),
        Index(
            "conversations_of_connection",
            *("tenant_id", "connection_id", text("last_message_at desc"), text("id desc")),
            postgresql_where=text("not is_rehearsal"),
        ),
        Index(
            "conversations_with_people",
            *("tenant_id", text("last_message_at desc"), text("id desc")),
            postgresql_where=text("not is_rehearsal and owner <> 'employee'"),
        ),
        Index(
            "conversations_places",
            *("tenant_id", "id"),
            postgresql_include=["connection_id", "employee_id", "is_rehearsal"],
        ),
    )

    connection_id: UUID
    contact_id: UUID
    """Who opened it; others may write in the same thread."""
    employee_id: UUID
    channel: str
    root: str
    owner: str = "employee"
    """The employee, the queue (it waits for a person) or an agent: see ``konstruct.handoffs``."""
    agent: str | None = None
    """Which agent, if one does."""
    handoff_id: UUID | None = None
    """The handoff that is not over."""
    counted_since: datetime | None = moment(optional=True)
    """What escalation rules count is counted from here on: since it was last handed back."""
    epoch: int = 0
    """Raised at every change of owner; a send must be of the epoch that its turn began with."""
    turn_id: UUID | None = None
    """The turn that may write an answer; an older one that still runs finds itself superseded."""
    last_seq: int = Field(default=0, sa_type=BigInteger)
    revision: int = Field(default=0, sa_type=BigInteger)
    """Raised by whatever changes what a turn looks back on; a copy of an older revision is stale."""
    remembered_seq: int = Field(default=0, sa_type=BigInteger)
    """Up to here it can be recalled word by word."""
    digested_seq: int = Field(default=0, sa_type=BigInteger)
    """Up to here facts were learned from it."""
    untrusted_at: datetime | None = moment(optional=True)
    """Since when what is said here may be steered by what strangers wrote: documents, pages, results of tools."""
    memory_due_at: datetime | None = moment(optional=True)
    """When memory is to be written next."""
    memory_claimed_until: datetime | None = moment(optional=True)
    """Somebody is at it; after this it is taken for failed."""
    memory_tries: int = Field(default=0, sa_type=SmallInteger)
    """Attempts at it of which nobody knows a good end."""
    contact_said_at: datetime | None = moment(optional=True)
    """When a contact last wrote, by the channel's clock: some channels take an answer only for so long."""
    reengaged_at: datetime | None = moment(optional=True)
    """When a template last asked the contact to write again, since that was over."""
    is_rehearsal: bool = False
    """Whether somebody tries out a draft in it: then it is no contact's, and nobody else is to hear of it."""
    created_at: datetime = moment()
    last_message_at: datetime = moment()
    """When the latest of its messages came to be."""


class Message(Owned, table=True):
    """What somebody said. ``state`` tells how far it came: see ``konstruct.conversations``."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "external_id"),
        UniqueConstraint("tenant_id", "conversation_id", "seq"),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
        ),
        # The sweep looks here every few seconds, across all tenants.
        Index(
            "messages_unsettled",
            "created_at",
            postgresql_where=text("state in ('received', 'taken', 'pending', 'sending')"),
        ),
        # A turn asks for what is open in its conversation, however long that is.
        Index(
            "messages_open",
            "tenant_id",
            "conversation_id",
            postgresql_where=text("state in ('received', 'taken', 'pending')"),
        ),
        Index("messages_of_turn", "tenant_id", "turn_id", postgresql_where=text("turn_id is not null")),
        Index("messages_of_contact", "tenant_id", "contact_id"),
        Index("messages_quarantined", "tenant_id", "conversation_id", postgresql_where=text("state = 'quarantined'")),
        Index("messages_waiting", "tenant_id", "conversation_id", postgresql_where=text("state = 'waiting'")),
        Index(
            "messages_failed",
            *("tenant_id", "conversation_id"),
            postgresql_where=text("state = 'failed' and direction = 'outbound'"),
        ),
        # Who asked and who answered in a period, for reports.
        Index(
            "messages_asked",
            *("tenant_id", "created_at"),
            postgresql_include=["conversation_id", "seq"],
            postgresql_where=text("author = 'contact' and state not in ('refused', 'stopped')"),
        ),
        Index(
            "messages_replied",
            *("tenant_id", "created_at"),
            postgresql_include=["conversation_id", "seq", "settled_at", "author"],
            postgresql_where=text(
                "direction = 'outbound' and purpose = 'reply' and state = 'sent' and author in ('employee', 'agent')"
            ),
        ),
        Index("messages_plain", "tenant_id", "id", postgresql_where=text("body is not null and purpose = 'reply'")),
    )

    conversation_id: UUID
    connection_id: UUID
    seq: int = Field(sa_type=BigInteger)
    """Order within the conversation, in and out together."""
    direction: str
    author: str
    contact_id: UUID | None = None
    """Who said it, or who it is said to."""
    body: str | None = None
    """A sentence of the product's own."""
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What a person or an employee said, under the contact's key; neither is there when it was taken back or erased."""
    sealed_files: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What files came along, by their names; they themselves are with the channel."""
    forgotten_at: datetime | None = moment(optional=True)
    """Since when no model is shown it any more, as the contact asked."""
    external_id: str | None = None
    """The channel's id: unique in a connection, so that a repeated delivery changes nothing."""
    edited_at: datetime | None = moment(optional=True)
    """When its contact gave it the wording that is kept, by the channel's clock."""
    state: str
    purpose: str = "reply"
    signed: str | None = None
    """The name of the agent who wrote it."""
    turn_id: UUID | None = None
    epoch: int = 0
    maybe_duplicate: bool = False
    tries: int = Field(default=0, sa_type=SmallInteger)
    """Attempts at it of which nobody knows a good end: see ``konstruct.poison``."""
    detail: dict[str, Any] = document()
    created_at: datetime = moment()
    sending_at: datetime | None = moment(optional=True)
    """When the latest attempt to send it began."""
    settled_at: datetime | None = moment(optional=True)
    delivered_at: datetime | None = moment(optional=True)
    """When it was on the contact's device, where the channel tells."""
    read_at: datetime | None = moment(optional=True)
    swept_at: datetime | None = moment(optional=True)
    """When a sweep last signalled it; that lasts, since Temporal keeps what it was told."""


class EarlyChange(Owned, table=True):
    """What became of a message that has not come yet: see ``konstruct.revising``."""

    __tablename__ = "early_changes"
    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "erased_id"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], ondelete="CASCADE"),
        Index(
            "early_changes_of_contact",
            *("tenant_id", "contact_id"),
            postgresql_where=text("contact_id is not null"),
        ),
        Index("early_changes_by_time", "created_at"),
    )

    connection_id: UUID
    erased_id: str
    """What stands for the channel's id of the message: see ``konstruct.repeating``."""
    contact_id: UUID | None = None
    """Who edited it."""
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Its newest wording, under their key; not there when it was taken back."""
    edited_at: datetime | None = moment(optional=True)
    created_at: datetime = moment()
