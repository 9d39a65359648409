"""Receipts tell the data class and every hop; keys have a data class and a project."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    internal = sa.Column("data_class", sa.Text, nullable=False, server_default="internal")
    op.add_column("receipts", internal)
    op.add_column("receipts", sa.Column("hops", sa.Text))
    op.add_column("receipts", sa.Column("passed_over", sa.Text))
    public = sa.Column("data_class", sa.Text, nullable=False, server_default="public")
    op.add_column("keys", public)
    op.add_column("keys", sa.Column("project", sa.Text))
