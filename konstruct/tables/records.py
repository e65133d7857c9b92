"""What is kept for the record: model usage, events that could not be understood, and that backups were put back."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, Numeric
from sqlmodel import Field, SQLModel

from konstruct.identity import new_id
from konstruct.tables.base import Owned, moment


class Usage(Owned, table=True):
    """One model call, whatever became of it."""

    __tablename__ = "usage"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"]),
        # Reports add it up without a look at the rows.
        Index(
            "usage_by_time",
            "tenant_id",
            "created_at",
            postgresql_include=[
                *("conversation_id", "employee_id", "provider", "model", "purpose", "key_of", "is_rehearsal"),
                *("outcome", "input_tokens", "output_tokens", "cached_tokens", "cost"),
                *("price_version", "is_price_assumed"),
            ],
        ),
        Index("usage_of_turn", "tenant_id", "turn_id"),
        Index("usage_of_conversation", "tenant_id", "conversation_id", "created_at"),
    )

    conversation_id: UUID
    employee_id: UUID
    turn_id: UUID
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    estimated: bool = False
    """The provider did not say (cut, cancelled): the counts are ours."""
    cost: Decimal | None = Field(default=None, sa_type=Numeric(20, 10))
    """US dollars; unknown where the model's price is."""
    latency_ms: int
    first_token_ms: int | None = None
    outcome: str
    purpose: str = "reply"
    """What it was made for: a reply, judging a turn, memory (a summary, facts), people who take over, or speech."""
    error: str | None = None
    is_rehearsal: bool = False
    """Whether it was made while a draft was tried out: it costs the same, and served nobody."""
    key_of: str = "deployment"
    """Whose key it was made with: the deployment's, or the tenant's own."""
    price_version: str | None = None
    """Which price map its cost is from."""
    is_price_assumed: bool = False
    """The model is in no price map: the deployment's setting says what it costs."""
    created_at: datetime = moment()


class QuarantinedEvent(SQLModel, table=True):
    """A signed request that could not be processed, kept as it came. It has no tenant: none could be found."""

    __tablename__ = "quarantined_events"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    channel: str
    reason: str
    body: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = moment()


class Restoration(SQLModel, table=True):
    """One time that the database was put back to what it was before: see ``konstruct.recovery``. It has no tenant."""

    __tablename__ = "restorations"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    of_moment: datetime = moment()
    """Whatever was committed before this is in it."""
    restored_at: datetime = moment()
    fenced_at: datetime | None = moment(optional=True)
    """Since when nothing that may have been done meanwhile is under way in it."""
