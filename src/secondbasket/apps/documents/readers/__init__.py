"""One file for each kind of document, loaded in the child process that reads it."""
