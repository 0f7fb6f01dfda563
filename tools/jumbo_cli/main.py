"""The command `jumbo`: finds its subcommands by entry points, and runs the one that is named."""

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

from .command import Command, status
from .failing import DONE, STOPPED, WRONG_INPUT, say

GROUP = "jumbo.commands"
ORDER = (
    "train",
    "test",
    "infer",
    "export",
    "check",
    "prepare",
    "calibrate",
    "attention",
    "benchmark",
    "pretrain",
    "probe",
    "robustness",
    "pretrain-series",
    "benchmark-series",
    "web",
)

USAGE = """usage: jumbo COMMAND ...
       jumbo COMMAND --help
       jumbo --version

Train, test and use Jumbo models on the command line.
"""


def subcommands() -> dict[str, EntryPoint]:
    """The entry points by name, in the order of the list that --help shows."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    return {name: found[name] for name in sorted(found, key=lambda n: (ORDER.index(n) if n in ORDER else 99, n))}


def overview(found: dict[str, EntryPoint]) -> str:
    """What --help prints."""
    if not found:
        return f"{USAGE}\nNo subcommand is registered: install the package again (pip install .)\n"
    lines: list[str] = []
    absent: dict[str, list[str]] = {}
    for name, point in found.items():
        command: Command = point.load()
        lines.append(f"  {name:<18}{command.summary}")
        if command.missing():
            absent.setdefault(command.pip_line, []).append(name)
    for line, names in absent.items():
        lines.append(f"\nNot installed yet, for {', '.join(names)}: {line}")
    lines.append("\nExit code: 0 done, 1 a run broke or a part failed, 2 wrong input, 130 stopped by Ctrl-C.")
    return "\n".join([USAGE, "commands:", *lines, ""])


def told_version() -> str:
    try:
        return f"jumbo {version('jumbo-backbone')}"
    except PackageNotFoundError:
        return "jumbo, not installed: run from a checkout"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `jumbo` with these arguments (default: the command line's); returns the exit code."""
    try:
        argv = sys.argv[1:] if argv is None else list(argv)
        found = subcommands()
        if not argv or argv[0] in ("-h", "--help", "help"):
            print(overview(found), end="")
            return DONE if argv else WRONG_INPUT
        if argv[0] in ("-V", "--version"):
            print(told_version())
            return DONE
        if argv[0] not in found:
            import difflib

            near = difflib.get_close_matches(argv[0], found, n=1, cutoff=0.5)
            hint = f", did you mean {near[0]!r}?" if near else f": give one of {', '.join(found) or 'none installed'}"
            say("jumbo", f"unknown command {argv[0]!r}{hint}")
            return WRONG_INPUT
        return status(found[argv[0]].load().run(argv[1:]))
    except KeyboardInterrupt:
        say("jumbo", "stopped by Ctrl-C")
        return STOPPED
