"""`python -m closeout`."""

import sys

from closeout.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
