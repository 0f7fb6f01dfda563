#!/usr/bin/env python3
"""Measure a model on corrupted images. Runs `jumbo robustness` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.robustness import COMMAND

main = COMMAND.door("robustness.py")

if __name__ == "__main__":
    sys.exit(status(main()))
