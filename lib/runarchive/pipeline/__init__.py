"""The order of things: plan, import, migrate, verify, recover."""
