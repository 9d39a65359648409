"""Databases and their migrations."""
