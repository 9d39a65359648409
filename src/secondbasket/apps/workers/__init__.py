"""Workers: the files that say who work can be handed to."""
