"""Documents: collections, files, their passages, and an index of the words in these."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("data_class", sa.Text, nullable=False),
        sa.Column("embedding", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("added_at", sa.Text, nullable=False),
    )
    op.create_index("documents_by_source", "documents", ["collection", "source"], unique=True)
    op.create_index("documents_by_content", "documents", ["collection", "sha256"])
    op.create_table(
        "passages",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("heading", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("words", sa.Text().with_variant(TSVECTOR, "postgresql")),
    )
    op.create_index("passages_by_content", "passages", ["collection", "sha256", "position"])
    numbers = op.create_table(
        "passage_numbers",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(numbers, [{"id": 1, "last": 0}])
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("passages_by_words", "passages", ["words"], postgresql_using="gin")
    else:
        op.execute(
            "CREATE VIRTUAL TABLE passages_words USING fts5(heading, text, content='passages',"
            " content_rowid='number', tokenize='porter unicode61 remove_diacritics 2')"
        )
