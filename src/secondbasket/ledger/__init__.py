"""The append-only memory of what happened; the only source of every number."""
