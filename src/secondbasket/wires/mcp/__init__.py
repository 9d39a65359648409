"""The Model Context Protocol: JSON-RPC 2.0 messages, its revisions, the shapes of its tools."""
