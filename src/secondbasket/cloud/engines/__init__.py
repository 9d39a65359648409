"""The engines, one file per engine, and the program each runs as a child."""
