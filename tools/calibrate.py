#!/usr/bin/env python3
"""Choose the thresholds of a cascade of segmentors on validation images. Runs `jumbo calibrate` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.calibrate import COMMAND

main = COMMAND.door("calibrate.py")

if __name__ == "__main__":
    sys.exit(status(main()))
