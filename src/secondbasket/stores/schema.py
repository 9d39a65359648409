"""The tables, as the code of this version uses them; migrations/ is how a database gets there.

Every moment is the text `core.clock.timestamp` writes: it sorts as time on
both databases and reads the same in either. Money is nano-units.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

metadata = MetaData()

receipts = Table(
    "receipts",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("basket", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("chip", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("law", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("first_token_ms", Double),
    Column("bytes_sent", BigInteger, nullable=False),
    Column("bytes_received", BigInteger, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("usage_exact", Boolean, nullable=False),
    Column("error", Text),
    Column("data_class", Text, nullable=False),
    # JSON, and NULL for most: where one upstream answered alone and none was passed over.
    Column("hops", Text),
    Column("passed_over", Text),
    # The entry of the chain that covers this row.
    Column("seal", BigInteger),
    Index("receipts_by_time", "created_at"),
    Index("receipts_by_key", "key_id", "created_at"),
    Index("receipts_by_seal", "seal"),
)

# Sums per hour, kept in the same transaction as the rows they sum. A cost only adds up within
# one currency, so the currency is part of what a sum is about.
rollups = Table(
    "rollups",
    metadata,
    Column("hour", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("basket", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Index("rollups_by_key", "key_id", "currency"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    # Their place in the chain: entry 1, 2, 3 …, the hash of the entry before, their own.
    Column("sequence", BigInteger),
    Column("previous", Text),
    Column("hash", Text),
    Index("decisions_by_time", "at"),
    Index("decisions_by_sequence", "sequence", unique=True),
    Index("decisions_by_kind", "kind", "sequence"),
)

# One row: the last entry of the chain. Whoever writes the chain on holds it.
chain_tail = Table(
    "chain_tail",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

# What was signed of the chain: its first `size` entries, the last of which has `hash`.
tree_heads = Table(
    "tree_heads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("at", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("tree_heads_by_size", "size"),
)

# Bytes through the outbound door, per hour, summed in the transaction of the decisions that tell.
egress_hours = Table(
    "egress_hours",
    metadata,
    Column("hour", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("vendor", Text, primary_key=True),
    Column("law", Text, primary_key=True),
    Column("data_class", Text, primary_key=True),
    Column("sent", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
)

# One row for each upstream of a parity run. `score` is there where every case was answered; `run`
# is what the rows of a run have in common and `result` the upstream's part, both JSON.
parity_runs = Table(
    "parity_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("basket", Text, nullable=False),
    Column("evals_digest", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("score", Double),
    Column("run", Text, nullable=False),
    Column("result", Text, nullable=False),
    Index("parity_runs_by_time", "at"),
    Index("parity_runs_by_basket", "basket", "at"),
)

# What workers were asked to do. `document` is the worker as it was then, JSON; whoever works on a
# task holds its lease, and writes nothing of it without.
tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("worker", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("deadline", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text, nullable=False),
    Column("run", BigInteger, nullable=False),
    Column("steps", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("deliverables", Text, nullable=False),
    Column("baseline_minutes", Double),
    Column("accepted", Boolean),
    Column("paused", Boolean, nullable=False),
    # When a parked one is tried again; empty where somebody must resume it.
    Column("wake_at", Text, nullable=False),
    Column("lease_by", Text, nullable=False),
    Column("lease_until", Text, nullable=False),
    Index("tasks_by_state", "state", "priority", "created_at"),
    Index("tasks_by_time", "created_at"),
)

# What a task did, in order and without gaps; `entry` is JSON.
task_entries = Table(
    "task_entries",
    metadata,
    Column("task", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("at", Text, nullable=False),
    Column("run", BigInteger, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("entry", Text, nullable=False),
)

# Every tool call, before it is made and once it has ended.
effects = Table(
    "effects",
    metadata,
    Column("key", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("tool", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("arguments_sha256", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("intended_at", Text, nullable=False),
    Column("ended_at", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Index("effects_by_task", "task", "position"),
    Index("effects_by_state", "state"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("task", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("arguments_sha256", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("answered_at", Text, nullable=False),
    Column("answered_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("why", Text, nullable=False),
    Index("approvals_by_task", "task"),
    Index("approvals_by_state", "state", "asked_at"),
    Index("approvals_by_worker", "worker", "tool", "answered_at"),
)

# What an administrator turned off, 'workers' so far: there is a row while it is off.
switches = Table(
    "switches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("by", Text, nullable=False),
)

# How far each journal segment that still lies on a disk has been folded, in bytes.
journal_positions = Table(
    "journal_positions",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("hmac", Text, nullable=False),
    Column("budget", BigInteger),
    Column("currency", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("data_class", Text, nullable=False),
    Column("project", Text),
    # The id of the pepper that `hmac` was made under; empty until the home's own is known by one.
    Column("pepper", Text, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hmac", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Index("sessions_by_expiry", "expires_at"),
)

# What is searched together. `revision` counts its changes, for whoever keeps some of it in memory.
collections = Table(
    "collections",
    metadata,
    Column("name", Text, primary_key=True),
    Column("data_class", Text, nullable=False),
    Column("embedding", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),
)

# Files as they were read. Those of one content, by `sha256`, share its passages.
documents = Table(
    "documents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("added_at", Text, nullable=False),
    Index("documents_by_source", "collection", "source", unique=True),
    Index("documents_by_content", "collection", "sha256"),
)

# `vector` holds float32 at unit length. PostgreSQL's word index is `words`; SQLite's is the
# virtual table passages_words, by `number`, which is made by the migration that made this one.
passages = Table(
    "passages",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),  # there it so becomes the row's own id
        primary_key=True,
        autoincrement=False,
    ),
    Column("collection", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("place", Text, nullable=False),
    Column("heading", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("vector", LargeBinary),
    Column("words", Text().with_variant(TSVECTOR, "postgresql")),
    Index("passages_by_content", "collection", "sha256", "position"),
    Index("passages_by_words", "words", postgresql_using="gin").ddl_if(dialect="postgresql"),
)

# One row: the last number that a passage got. None is given twice.
passage_numbers = Table(
    "passage_numbers",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# What workers remember. `line` names what of whom it says, `digest` what it says in which words;
# both only compare. `told_until` is the end that it was told with, `valid_until` the one in force.
memories = Table(
    "memories",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("predicate", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("several", Boolean, nullable=False),
    Column("line", Text, nullable=False),
    Column("digest", Text, nullable=False),
    # Its words, as the index of words counts them.
    Column("length", BigInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("valid_from", Text, nullable=False),
    Column("told_until", Text),
    Column("valid_until", Text),
    Column("confidence", Double, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("last_used", Text),
    Column("created_at", Text, nullable=False),
    Column("superseded_by", Text),
    Column("corrected_by", Text),
    Index("memories_by_line", "line", "worker"),
    Index("memories_by_digest", "digest"),
    Index("memories_by_time", "created_at"),
    Index("memories_by_correction", "corrected_by"),
)

# Each time that a memory was told: by whom is in `memory_bases`, in which words is JSON here.
memory_tellings = Table(
    "memory_tellings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("memory_id", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("wording", Text, nullable=False),
    Index("memory_tellings_by_memory", "memory_id"),
)

# What a telling rests on: sources as KIND:ID, and memories as memory:ID.
memory_bases = Table(
    "memory_bases",
    metadata,
    Column("telling_id", Text, primary_key=True),
    Column("basis", Text, primary_key=True),
    Index("memory_bases_by_basis", "basis"),
)

memory_words = Table(
    "memory_words",
    metadata,
    Column("word", Text, primary_key=True),
    Column("memory_id", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Index("memory_words_by_memory", "memory_id"),
)

# float32, little-endian, of length 1; those of two models do not compare.
memory_vectors = Table(
    "memory_vectors",
    metadata,
    Column("memory_id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
)

# Calls that were to remember something once. They outlive what they kept.
memory_keys = Table(
    "memory_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("memory_id", Text),
    Column("outcome", Text, nullable=False),
    Column("at", Text, nullable=False),
    Index("memory_keys_by_memory", "memory_id"),
)

# Removals. `removal` is what is to be removed elsewhere too, and NULL once that is done.
memory_erasures = Table(
    "memory_erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("removal", Text),
    Column("receipt", Text, nullable=False),
    Column("finished_at", Text),
    Index("memory_erasures_open", "finished_at"),
)

# A version's digest is that of its rows. What was erased of leaves its row here, and none below.
data_versions = Table(
    "data_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("parent", Text, nullable=False),
    # JSON, counts by kind.
    Column("findings", Text, nullable=False),
    Column("erased_by", Text, nullable=False),
    Index("data_versions_by_time", "name", "created_at"),
)

data_rows = Table(
    "data_rows",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("content", Text, nullable=False),
    Index("data_rows_by_source", "source", "place"),
)

# What was made of a version: adapters, evaluations.
data_uses = Table(
    "data_uses",
    metadata,
    Column("version", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("used_by", Text, primary_key=True),
    Column("at", Text, nullable=False),
)

data_erasures = Table(
    "data_erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("receipt", Text, nullable=False),
)

eval_runs = Table(
    "eval_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("evals_digest", Text, nullable=False),
    Column("run", Text, nullable=False),
    Index("eval_runs_by_time", "at"),
)
