"""The module runs ``python -m benchmarks.load``."""

import sys

from benchmarks.load.command import main

sys.exit(main())
