"""What a terminal may be shown."""

import os
from typing import TextIO


def may_colour(stream: TextIO) -> bool:
    """Whether colours are welcome there: a terminal, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
