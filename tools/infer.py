#!/usr/bin/env python3
"""Paint the predicted classes over images, with a legend. Runs `jumbo infer` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.infer import COMMAND

main = COMMAND.door("infer.py")

if __name__ == "__main__":
    sys.exit(status(main()))
