"""The command `basket`: one file per noun, each loaded when it is called."""
