"""Parity runs, one row for each upstream of a run."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "parity_runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("upstream", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("basket", sa.Text, nullable=False),
        sa.Column("evals_digest", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_index("parity_runs_by_time", "parity_runs", ["at"])
    op.create_index("parity_runs_by_basket", "parity_runs", ["basket", "at"])
