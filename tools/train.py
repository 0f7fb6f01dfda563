#!/usr/bin/env python3
"""Train a segmentation model from a config. A checkout's door to `jumbo train`."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.train import COMMAND

main = COMMAND.door("train.py")

if __name__ == "__main__":
    sys.exit(status(main()))
