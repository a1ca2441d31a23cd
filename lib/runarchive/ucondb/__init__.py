"""UconDB, the permanent store: blob format, client and embedded server."""
