"""The bindings of every screen, made from the one key table."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from runarchive.keymap import KEYMAP, Key, key_name, keys_of

BY_ID: dict[str, Key] = {key.id: key for key in KEYMAP}


def bindings(scope: str) -> list[BindingType]:
    """The bindings of one scope; each carries the id and the tooltip of its key, and acts through `act`."""
    return [
        Binding(",".join(key.keys), f"act('{key.id}')", key.label, show=key.shown, tooltip=key.help, id=key.id)
        for key in keys_of(scope)
    ]


class Keymap:
    """The keys as this user has them: names for hints and help, and what Textual's `set_keymap` wants."""

    def __init__(self, overrides: dict[str, tuple[str, ...]] | None = None) -> None:
        self.overrides = overrides or {}

    def textual(self) -> dict[str, str]:
        """Binding id to keys, of the changed ones alone."""
        return {ident: ",".join(keys) for ident, keys in self.overrides.items()}

    def of(self, scope: str) -> tuple[Key, ...]:
        """The keys of one scope."""
        return keys_of(scope, self.overrides)

    def name(self, ident: str) -> str:
        """The first key of an action as a person writes it."""
        keys = self.overrides.get(ident, BY_ID[ident].keys)
        return {"enter": "↵", "escape": "esc"}.get(keys[0], key_name(keys[0])) if keys else ""
