"""Drafts are tried out in a chat that counts for nothing else."""

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
