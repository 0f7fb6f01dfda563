#!/usr/bin/env python3
"""Unpack ADE20K's official zip, or link a folder of it, and check it. Runs `jumbo prepare` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.prepare import COMMAND

main = COMMAND.door("prepare_ade20k.py")

if __name__ == "__main__":
    sys.exit(status(main()))
