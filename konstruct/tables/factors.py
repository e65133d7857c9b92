"""What people have besides a password: authenticator apps, recovery codes, passkeys, accounts of somebody else's."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from konstruct.tables.accounts import OfPerson
from konstruct.tables.base import document, moment


class Authenticator(SQLModel, table=True):
    """The secret that a person's authenticator app makes codes of; one a person."""

    __tablename__ = "authenticators"

    user_id: UUID = Field(primary_key=True)
    sealed: str
    confirmed_at: datetime | None = moment(optional=True)
    """Until its first code it is an attempt at setting one up, and asked for nowhere."""
    last_step: int = Field(default=0, sa_type=BigInteger)
    """The newest half minute whose code was taken: no code is taken twice."""
    created_at: datetime = moment()


class RecoveryCode(OfPerson, table=True):
    __tablename__ = "recovery_codes"

    digest: bytes = Field(sa_type=LargeBinary)
    used_at: datetime | None = moment(optional=True)
    created_at: datetime = moment()


class Passkey(OfPerson, table=True):
    __tablename__ = "passkeys"
    __table_args__ = (UniqueConstraint("credential_id"),)

    credential_id: bytes = Field(sa_type=LargeBinary)
    public_key: bytes = Field(sa_type=LargeBinary)
    sign_count: int = Field(default=0, sa_type=BigInteger)
    name: str
    transports: list[str] = document(list)
    """How the browser reached it, as it calls that: usb, internal, hybrid."""
    is_synced: bool = False
    """Kept in an account of the person's rather than on one device."""
    created_at: datetime = moment()
    used_at: datetime | None = moment(optional=True)


class LinkedAccount(OfPerson, table=True):
    """An account at a provider that opens this one. Issuer and subject name it for ever; an address does not."""

    __tablename__ = "linked_accounts"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    provider: str
    """Its key among the deployment's, when it was linked."""
    issuer: str
    subject: str
    email: str | None = None
    """To tell one such account from another on a page, and for nothing else."""
    created_at: datetime = moment()
    used_at: datetime | None = moment(optional=True)
