"""Second factors, passkeys, and accounts of somebody else's that people sign in with."""

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
