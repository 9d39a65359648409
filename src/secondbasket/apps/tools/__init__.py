"""What workers can do: one file for each family of tools."""
