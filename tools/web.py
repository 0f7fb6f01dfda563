#!/usr/bin/env python3
"""Open a page to try models on. Runs `jumbo web` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.web import COMMAND

main = COMMAND.door("web.py")

if __name__ == "__main__":
    sys.exit(status(main()))
