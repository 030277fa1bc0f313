"""``python -m musterd`` is the `musterd` command."""

import sys

from musterd.cli import main

if __name__ == "__main__":
    sys.exit(main())
