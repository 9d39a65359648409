"""The MCP door: other programs delegate tasks to workers here, and read what came of them."""
