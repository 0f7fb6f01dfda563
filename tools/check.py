#!/usr/bin/env python3
"""Read all images and masks of a config's data sets. Runs `jumbo check` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.check import COMMAND

main = COMMAND.door("check.py")

if __name__ == "__main__":
    sys.exit(status(main()))
