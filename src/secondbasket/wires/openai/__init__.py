"""The OpenAI wire, both ways."""
