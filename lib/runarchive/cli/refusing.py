"""The refusal of what writes, under `--read-only` or a config with `read_only: true`."""

from __future__ import annotations

import argparse

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase


def refuse_read_only(args: argparse.Namespace, what: str, *, config: bool = False) -> None:
    """Raise ArchiveError(READ_ONLY) where the arguments say --read-only, or the `config` says read_only.

    `what` is what is refused, as the beginning of a sentence.
    """
    if args.read_only:
        why, hint = "--read-only is given", "leave out --read-only"
    elif config:
        why, hint = "the config says read_only: true", "change app.read_only first"
    else:
        return
    raise ArchiveError(Code.READ_ONLY, f"refused: {what}, and {why}", phase=Phase.WRITE, hint=hint)
