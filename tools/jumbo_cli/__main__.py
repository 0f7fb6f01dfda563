"""python -m jumbo_cli: the command `jumbo`."""

import sys

from jumbo_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
