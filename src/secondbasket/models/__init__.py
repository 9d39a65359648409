"""Which weights: where they come from, what they are, and why they are trusted."""
