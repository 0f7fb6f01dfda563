#!/usr/bin/env python3
"""Pretrain on synthetic series what forecasts begin with. A checkout's door to `jumbo pretrain-series`."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.pretrain_series import COMMAND

main = COMMAND.door("pretrain_series.py")

if __name__ == "__main__":
    sys.exit(status(main()))
