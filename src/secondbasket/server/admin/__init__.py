"""The admin door: everything `basket` does, on a Unix socket in the home and nowhere else."""
