"""Tenants bring model keys, and say how long what was said is kept."""

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
