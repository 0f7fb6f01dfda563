#!/usr/bin/env python3
"""Export a trained segmentation model to ONNX. Runs `jumbo export` from a checkout."""

import sys

from jumbo_cli.command import status
from jumbo_cli.commands.export import COMMAND

main = COMMAND.door("export.py")

if __name__ == "__main__":
    sys.exit(status(main()))
