"""`${…}` in config values: environment variables in upper case, references to other keys in lower case."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Lookup = Callable[[str], str | None]
"""The expanded text of another key, or None where there is no such key; raises `ExpansionError` for a circle."""


class ExpansionError(ValueError):
    """A `${…}` that cannot be replaced; its text follows the name of the key."""


def closing_brace(value: str, start: int) -> int:
    """The place of the `}` that closes the `${` before `start`, or -1; inner `${…}` are stepped over."""
    depth = 1
    place = start
    while place < len(value):
        if value.startswith("${", place):
            depth += 1
            place += 2
            continue
        if value[place] == "}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    return -1


def expand(
    value: str, environment: Mapping[str, str], lookup: Lookup, unknown: Callable[[str], None] = lambda name: None
) -> tuple[str, tuple[str, ...]]:
    """Replace every `${…}` of a value.

    `${VAR}` (first letter upper case) is an environment variable, `${VAR:-default}` has a default that may hold
    `${…}` itself; `${param}` and `${section.param}` are other keys, with a default likewise. What a variable holds is
    taken as it is. A `${name}` that names no key stays as it is, as it may be part of a password; `unknown` is told.

    Returns the text and the names of the variables that gave it. Raises `ExpansionError`.
    """
    parts: list[str] = []
    used: list[str] = []
    place = 0
    while (start := value.find("${", place)) >= 0:
        end = closing_brace(value, start + 2)
        if end < 0:
            break
        parts.append(value[place:start])
        name, has_default, default = value[start + 2 : end].partition(":-")
        found = environment.get(name) if name[:1].isupper() else lookup(name)
        if found is None and has_default:
            found, inner = expand(default, environment, lookup)
            used.extend(inner)
        elif found is None and name[:1].isupper():
            hint = f"set it, or write ${{{name}:-default}}"
            raise ExpansionError(f"the environment variable {name} is not set ({hint})")
        elif found is None:
            unknown(name)
            found = value[start : end + 1]
        elif name[:1].isupper():
            used.append(name)
        parts.append(found)
        place = end + 1
    parts.append(value[place:])
    return "".join(parts), tuple(used)

