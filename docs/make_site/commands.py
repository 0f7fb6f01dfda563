"""The reference of the command line, made of the parsers of `jumbo`."""

import argparse
import html
import os
from collections.abc import Iterator
from importlib import import_module

from jumbo_cli.command import Command
from jumbo_cli.main import ORDER


def commands() -> Iterator[Command]:
    """All subcommands, in the order of `jumbo --help`."""
    for name in ORDER:
        yield import_module(f"jumbo_cli.commands.{name.replace('-', '_')}").COMMAND


def reference() -> str:
    """A section for each subcommand, in Markdown."""
    os.environ["COLUMNS"] = "100"  # the width at which argparse breaks the usage
    return "\n\n".join(_section(command) for command in commands())


def _section(command: Command) -> str:
    parser = command.make_parser()
    parts = [f"## jumbo {command.name}", " ".join((command.description or command.summary).split())]
    if command.extra:
        parts.append(f"Needs `{command.pip_line}`.")
    parts.append(f"```text\n{parser.format_usage().strip()}\n```")
    for group in parser._action_groups:
        rows = [_row(parser, action) for action in group._group_actions if action.help is not argparse.SUPPRESS]
        if rows:
            title = {"positional arguments": "Arguments", "options": "Options"}.get(group.title or "", group.title)
            head = [f"**{title}**\n", "| argument | meaning |", "|---|---|"]
            parts.append("\n".join(head + rows))
    if parser.epilog:
        parts.append(f"```text\n{parser.epilog.strip()}\n```")
    return "\n\n".join(parts)


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    said = formatter._format_action_invocation(action)
    told = formatter._expand_help(action) if action.help else ""
    if action.required and action.option_strings:
        told = f"{told} (required)"
    return f"| <code>{_cell(said)}</code> | {_cell(told[:1].upper() + told[1:])} |"


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split())).replace("|", "&#124;").replace("*", "&#42;").replace("_", "&#95;")
