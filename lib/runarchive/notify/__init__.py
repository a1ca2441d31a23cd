"""Alarms and the sinks that carry them."""
