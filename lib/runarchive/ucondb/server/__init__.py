"""A UconDB server: the HTTP interface of version 3.9.7 over SQLite or PostgreSQL."""
