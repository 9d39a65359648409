"""The Messages door: what Anthropic's SDKs speak."""
