"""Hourly sums of the bytes that went through the outbound door."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

_ABOUT = ("hour", "destination", "vendor", "law", "data_class")


def upgrade() -> None:
    op.create_table(
        "egress_hours",
        *(sa.Column(name, sa.Text, primary_key=True) for name in _ABOUT),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
    )
