"""How a database gets from any released schema to this version's, one file a step."""
