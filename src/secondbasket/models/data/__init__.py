"""Data sets: what models are trained and measured on, versioned, with every row's source."""
