from tests.databases import database, database_url, postgres_socket

__all__ = ["database", "database_url", "postgres_socket"]
