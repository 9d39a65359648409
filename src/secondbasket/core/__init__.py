"""The words every layer shares: data and Protocols, no input or output."""
