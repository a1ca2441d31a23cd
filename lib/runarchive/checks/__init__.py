"""Checks that every stage shares."""
