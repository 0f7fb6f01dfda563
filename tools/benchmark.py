#!/usr/bin/env python3
"""Measure timm models side by side. Runs `jumbo benchmark` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.benchmark import COMMAND

main = COMMAND.door("benchmark.py")

if __name__ == "__main__":
    sys.exit(status(main()))
