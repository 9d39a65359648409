"""The web console: pages, their fragments and small ES modules."""
