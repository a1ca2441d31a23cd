"""The ledger: what happened to each run, the legacy state files and the lock."""
