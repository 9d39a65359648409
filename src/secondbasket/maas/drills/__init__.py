"""Drills: take something away, see what still answers, give it back, and sign what was seen."""
