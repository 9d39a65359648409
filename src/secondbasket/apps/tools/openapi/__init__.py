"""Tools made of a web API's own description: the operations that the settings name."""
