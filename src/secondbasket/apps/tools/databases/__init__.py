"""The child process that asks a company's database: one statement, and no other harm."""
