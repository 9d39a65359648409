"""The detectors: one file for each kind of thing that makes a text sensitive."""
