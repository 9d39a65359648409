"""The doors: HTTP in, ports out. A door is handed ports, never the whole stack."""
