"""The command `tui-archiver`: the console without a command, else the headless command it names."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from runarchive.cli.main import dispatch, guarded, parse


def main(argv: Sequence[str] | None = None) -> int:
    """Open the console or run one headless command; returns the exit status."""
    return guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(words: Sequence[str]) -> int:
    args = parse(words)
    if args.noun is None or (args.noun == "demo" and not args.headless):
        from tui_archiver.start import open_console

        return open_console(args)
    return dispatch(args)


if __name__ == "__main__":
    sys.exit(main())
