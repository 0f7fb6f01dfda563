"""A subcommand: its arguments, and the place of its code."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .failing import DONE, STOPPED, WRONG_INPUT, BadInputError, say


@dataclass(frozen=True)
class Command:
    """A subcommand of `jumbo`, known to it by an entry point of the group "jumbo.commands".

    Attributes:
        name: The name that the user types.
        summary: One line for the list of subcommands.
        body: "module:function" that does the work. It is imported after the arguments are read. It gets them as a
            namespace, with ``prog`` (the program's name in messages) and ``command`` (the words that started it), and
            may return its exit code.
        add_arguments: Fills a parser.
        description: The head of the help (default: the summary).
        epilog: Examples and exit codes, the end of the help; {prog} stands for the name that the user typed.
        extra: The pip extra that brings the modules it needs; None if they come with the package.
        needs: Names of these modules.
        parser: Class of the parser.
    """

    name: str
    summary: str
    body: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    description: str | None = None
    epilog: str = ""
    extra: str | None = None
    needs: tuple[str, ...] = ()
    parser: type[argparse.ArgumentParser] = argparse.ArgumentParser

    def missing(self) -> list[str]:
        """Modules it needs that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    @property
    def pip_line(self) -> str:
        """What installs them."""
        return f"pip install 'jumbo-backbone[{self.extra}]'"

    def parse(self, argv: Sequence[str] | None = None, prog: str | None = None) -> argparse.Namespace:
        """The arguments in the form that the body takes."""
        prog = prog or f"jumbo {self.name}"
        argv = sys.argv[1:] if argv is None else list(argv)
        words = ["python", f"tools/{prog}"] if prog.endswith(".py") else prog.split()
        return argparse.Namespace(**vars(self.make_parser(prog).parse_args(argv)), prog=prog, command=[*words, *argv])

    def make_parser(self, prog: str | None = None) -> argparse.ArgumentParser:
        """The parser of the arguments, with the help that it prints."""
        prog = prog or f"jumbo {self.name}"
        parser = self.parser(
            prog=prog,
            description=self.description or self.summary,
            epilog=self.epilog.replace("{prog}", prog),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_arguments(parser)
        return parser

    def run(self, argv: Sequence[str] | None = None, prog: str | None = None) -> Any:
        """Parse, import the body and run it.

        Returns:
            The body's result; 2 for a missing extra or wrong input, 130 for Ctrl-C, each with a message of one line.

        Raises:
            SystemExit: For --help and wrong arguments, from argparse.
        """
        prog = prog or f"jumbo {self.name}"
        try:
            args = self.parse(argv, prog)
            if missing := self.missing():
                raise BadInputError(f"needs {', '.join(missing)}: {self.pip_line}")
            module, function = self.body.split(":")
            body = getattr(importlib.import_module(module), function)
            return body(args)
        except BadInputError as error:
            say(prog, f"error: {error}")
            return WRONG_INPUT
        except KeyboardInterrupt:
            say(prog, "stopped by Ctrl-C")
            return STOPPED

    def door(self, file: str) -> Callable[..., Any]:
        """``main(argv)`` of a program in tools/, whose messages begin with its file's name."""
        return partial(self.run, prog=file)


def status(returned: object) -> int:
    """The exit code of what a body returned: itself if it is one, else 0."""
    return returned if isinstance(returned, int) else DONE
