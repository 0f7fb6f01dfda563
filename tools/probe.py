#!/usr/bin/env python3
"""Measure what a frozen encoder knows. Runs `jumbo probe` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.probe import COMMAND

main = COMMAND.door("probe.py")

if __name__ == "__main__":
    sys.exit(status(main()))
