"""Reports: what workers did, told from the books and never from what a model says of itself."""
