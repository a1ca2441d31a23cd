"""Documents to be damaged, and ways of damaging whatever a document holds.

TUI_ARCHIVER_DAMAGES says how many databases each test damages at random; by hand, thousands.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

from runarchive.artdaqdb.importing import Wanted
from runarchive.artdaqdb.store import NewDocument

ROUNDS = int(os.environ.get("TUI_ARCHIVER_DAMAGES", "10"))
TEXT = 'a: 1 # c\nt: { b: [1, "x"] }\ns: [ { k: 1 } ]\n'
ENTITIES = ("RunHistory", "boot", "metadata")


def documents() -> list[NewDocument]:
    """The runs 7 and 8, whole."""
    return [
        NewDocument("SystemLayout" if one == "schema" else "RunHistory", one, f"{run}/demo", f"{run}/demo", run, TEXT)
        for run in (7, 8)
        for one in (*ENTITIES, "schema")
    ]


def wanted(run: int) -> Wanted:
    """What these runs should be in the store."""
    return Wanted(run, "demo", [(one, TEXT) for one in ENTITIES], TEXT)


def nodes(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything within a value of dicts and lists, but to the value itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in inner for place in ((*path, key), *nodes(child, (*path, key)))]


def alter(dice: random.Random, found: Any, odd: Sequence[Any]) -> None:
    """Take a few parts of a document away, or put odd ones in their places."""
    for _ in range(dice.randint(1, 3)):
        *way, last = dice.choice(nodes(found))
        owner = found
        for key in way:
            owner = owner[key]
        if dice.random() < 0.25:
            del owner[last]
        else:
            owner[last] = dice.choice(odd)
