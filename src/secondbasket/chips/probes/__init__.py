"""Chip probes, one file per vendor."""
