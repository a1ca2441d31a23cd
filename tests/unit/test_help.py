"""Every `--help`, of nested commands too, ends with the one table of exit codes; common options go in every place."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

import pytest

from runarchive.cli.main import NOUNS, Parser, build_parser, common_options, exit_code_table


def nested(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and all those below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from nested(child)


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_every_help_ends_with_the_exit_codes(noun: str) -> None:
    parser = Parser(prog=noun, parents=[common_options()])
    importlib.import_module(f"runarchive.cli.{noun}_command").configure(parser)
    for each in nested(parser):
        assert each.format_help().rstrip().endswith(exit_code_table()), each.prog


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_the_common_options_are_taken_at_the_end_too(noun: str) -> None:
    for each in nested(build_parser([noun])):
        for option in ("-c", "--json", "--read-only", "--write"):
            assert option in each._option_string_actions, (each.prog, option)
