#!/usr/bin/env python3
"""Pretrain an encoder on pictures without labels. Runs `jumbo pretrain` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.pretrain import COMMAND

main = COMMAND.door("pretrain.py")

if __name__ == "__main__":
    sys.exit(status(main()))
