"""What workers remember: memories, who told them, the indexes that find them, what was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("kind", "text", "subject", "predicate", "object")
        ),
        sa.Column("several", sa.Boolean, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("data_class", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Text, nullable=False),
        sa.Column("told_until", sa.Text),
        sa.Column("valid_until", sa.Text),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.Column("last_used", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("superseded_by", sa.Text),
        sa.Column("corrected_by", sa.Text),
    )
    op.create_index("memories_by_line", "memories", ["line", "worker"])
    op.create_index("memories_by_digest", "memories", ["digest"])
    op.create_index("memories_by_time", "memories", ["created_at"])
    op.create_index("memories_by_correction", "memories", ["corrected_by"])
    op.create_table(
        "memory_tellings",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("memory_id", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("data_class", sa.Text, nullable=False),
        sa.Column("wording", sa.Text, nullable=False),
    )
    op.create_index("memory_tellings_by_memory", "memory_tellings", ["memory_id"])
    op.create_table(
        "memory_bases",
        sa.Column("telling_id", sa.Text, primary_key=True),
        sa.Column("basis", sa.Text, primary_key=True),
    )
    op.create_index("memory_bases_by_basis", "memory_bases", ["basis"])
    op.create_table(
        "memory_words",
        sa.Column("word", sa.Text, primary_key=True),
        sa.Column("memory_id", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index("memory_words_by_memory", "memory_words", ["memory_id"])
    op.create_table(
        "memory_vectors",
        sa.Column("memory_id", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "memory_keys",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("memory_id", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_index("memory_keys_by_memory", "memory_keys", ["memory_id"])
    op.create_table(
        "memory_erasures",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("removal", sa.Text),
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
    )
    op.create_index("memory_erasures_open", "memory_erasures", ["finished_at"])
