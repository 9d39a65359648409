"""Tools of MCP servers: those that the settings name, over standard input or over HTTP.

Nothing that a server says decides anything: its words are text of a stranger,
its schemas are checked, and what its tools may do is for the settings to say.
"""
