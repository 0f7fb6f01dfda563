#!/usr/bin/env python3
"""Forecasters side by side on panels of series. Runs `jumbo benchmark-series` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.benchmark_series import COMMAND

main = COMMAND.door("benchmark_series.py")

if __name__ == "__main__":
    sys.exit(status(main()))
