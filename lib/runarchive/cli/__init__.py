"""The headless commands, one module a noun; none of them imports Textual."""
