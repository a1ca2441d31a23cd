"""`tui-archiver recover import|migrate|ledger`: rebuild state files or the ledger from the stores."""

from __future__ import annotations

import argparse

from runarchive.archive import RecoveryKind, RecoveryPreview
from runarchive.clean import clean
from runarchive.cli.opening import open_archive
from runarchive.cli.output import emit, emit_json, talk
from runarchive.errors import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to recover and --apply."""
    parser.add_argument("what", choices=[kind.value for kind in RecoveryKind], help="what to rebuild")
    parser.add_argument("--apply", action="store_true", help="write it; without this, only show what would change")


def run(args: argparse.Namespace) -> int:
    """Show what a rebuild would change, and with --apply do it."""
    with open_archive(args, writes=args.apply, examine=args.what == RecoveryKind.LEDGER) as archive:
        preview = archive.recovery_apply(args.what) if args.apply else archive.recovery_preview(args.what)
    if args.json:
        lines = [{"name": name, "now": now, "stores": then} for name, now, then in preview.lines]
        emit_json(
            {
                "kind": preview.kind.value,
                "lines": lines,
                "writes": list(preview.writes),
                "problems": list(preview.problems),
                "notes": list(preview.notes),
                "differs": preview.differs,
                "applied": args.apply,
            }
        )
    else:
        _print(preview, applied=args.apply)
    return ExitCode.DONE


def _print(preview: RecoveryPreview, *, applied: bool) -> None:
    for name, now, then in preview.lines:
        mark = " " if now == then else "*"
        emit(f"{mark} {name}: {clean(now)}" + ("" if now == then else f" -> {clean(then)}"))
    for problem in preview.problems:
        emit(f"! {clean(problem)}")
    for note in preview.notes:
        emit(f"  {clean(note)}")
    verb = "written, the old ones kept beside" if applied else "would be written (--apply does it)"
    files = ", ".join(preview.writes)
    talk(f"{files}: {verb}" if applied or preview.differs else f"nothing differs from the stores: {files}")
