"""Anthropic's Messages wire (version 2023-06-01), both ways."""
