"""`tui-archiver completions SHELL`: completions for bash, zsh and fish, made from the table of commands."""

from __future__ import annotations

import argparse

from runarchive.cli.main import NOUNS
from runarchive.cli.output import emit, emit_json
from runarchive.errors import ExitCode


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), nargs="?", default="bash")


def run(args: argparse.Namespace) -> int:
    """Print the completions; `source <(tui-archiver completions bash)`."""
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]()
    if args.json:
        emit_json({"shell": args.shell, "script": script})
    else:
        emit(script)
    return ExitCode.DONE


_COMMON = ("--config", "--json", "--read-only", "--write", "--help", "--version")


def _bash() -> str:
    words = " ".join((*NOUNS, *_COMMON))
    return f"""_tui_archiver() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}"
  case "${{COMP_WORDS[COMP_CWORD-1]}}" in
    -c|--config|--dir|--out) COMPREPLY=($(compgen -f -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "{words}" -- "$current")) ;;
  esac
}}
complete -o filenames -F _tui_archiver tui-archiver"""


def _zsh() -> str:
    lines = "\n".join(f"    '{noun}:{_quoted(summary)}'" for noun, summary in NOUNS.items())
    return f"""#compdef tui-archiver
_tui_archiver() {{
  local -a commands
  commands=(
{lines}
  )
  if (( CURRENT == 2 )); then _describe command commands; else _files; fi
}}
compdef _tui_archiver tui-archiver"""


def _fish() -> str:
    lines = [
        f"complete -c tui-archiver -n __fish_use_subcommand -a {noun} -d '{_quoted(summary)}'"
        for noun, summary in NOUNS.items()
    ]
    return "\n".join(("complete -c tui-archiver -s c -l config -r -d 'config file'", *lines))


def _quoted(text: str) -> str:
    return text.replace("'", "")
