#!/usr/bin/env python3
"""Draw what the Jumbo token attends to in images. Runs `jumbo attention` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.attention import COMMAND

main = COMMAND.door("attention.py")

if __name__ == "__main__":
    sys.exit(status(main()))
