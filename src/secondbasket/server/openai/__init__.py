"""The door that speaks the OpenAI wire."""
