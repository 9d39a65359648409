"""Work done: what people hand over and what comes back."""
