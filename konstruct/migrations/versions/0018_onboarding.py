"""How far a tenant's first three steps are."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table tenants add column onboarding jsonb not null default '{}'")
