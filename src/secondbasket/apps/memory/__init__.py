"""Long-term memory: what workers keep of what they see, from whom, until when, and how it ends."""
