"""The console: the only place where Textual is imported."""
