"""`python -m closeout`."""

import sys

if __name__ == "__main__":
    # What `-m` puts first is the current folder: a tree to be judged, whose modules are not ours.
    if not sys.flags.safe_path and not __file__.startswith(f"{sys.path[0]}/closeout/"):
        del sys.path[0]
    from closeout.cli import early

    early.quiet()
    from closeout.cli.parser import main

    sys.exit(main())
