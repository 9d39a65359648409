"""The door to the task board for programs: tasks over HTTP, with API keys."""
