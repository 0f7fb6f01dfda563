#!/usr/bin/env python3
"""Measure a trained segmentation model on its test images. Runs `jumbo test` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.test import COMMAND

main = COMMAND.door("test.py")

if __name__ == "__main__":
    sys.exit(status(main()))
