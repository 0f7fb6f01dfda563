#!/usr/bin/env python3
"""Train a segmentation model from a config. Runs `jumbo train` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.train import COMMAND

main = COMMAND.door("train.py")

if __name__ == "__main__":
    sys.exit(status(main()))
