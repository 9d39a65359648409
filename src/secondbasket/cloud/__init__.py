"""Where work runs: engines in child processes, kept alive."""
