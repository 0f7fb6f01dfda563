#!/usr/bin/env python3
"""Pretrain initial weights of forecasts and classifiers. Runs `jumbo pretrain-series` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.pretrain_series import COMMAND

main = COMMAND.door("pretrain_series.py")

if __name__ == "__main__":
    sys.exit(status(main()))
