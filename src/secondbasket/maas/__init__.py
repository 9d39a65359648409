"""Model as a service: who answers, for whom, at what price."""
