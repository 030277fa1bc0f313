"""Durations on a command line are a number and a unit: ``90s``, ``15min``, ``12h``, ``7d``."""

import argparse
import re

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(s|min|h|d)?")


def span(text: str) -> float:
    """Return ``text`` in seconds, as the ``type`` of a flag; a number alone is one of seconds."""
    read = _SPAN.fullmatch(text.strip())
    seconds = float(read[1]) * _UNITS[read[2] or "s"] if read else 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not usable; use 90s, 15min, 12h or 7d")
    return seconds
