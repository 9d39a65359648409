"""Which silicon is here, what it can do, and what fits it."""
