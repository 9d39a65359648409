"""Tasks: handed over, worked on, accounted for."""
