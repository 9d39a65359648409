"""Pure decisions: what may go where."""
