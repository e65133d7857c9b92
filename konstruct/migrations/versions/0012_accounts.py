"""People who sign in: users, sessions, memberships, invitations."""

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
