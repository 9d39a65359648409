"""The one outbound door."""
