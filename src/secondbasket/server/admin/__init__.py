"""The operator's door: served on a Unix socket (mode 0600) in the home."""
