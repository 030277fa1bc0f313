"""The module runs ``python -m benchmarks.peers``, which is ``python -m benchmarks peers``."""

import sys

from benchmarks.peers import main

sys.exit(main())
