"""The things that can answer, one file per kind."""
