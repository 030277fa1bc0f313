"""What an agent writes into its metrics file is named here, and read again for ``musterd health``."""

import time
from collections.abc import Iterator

from musterd.exposition import series_in

PERIOD = 15.0
"""Seconds between two writes: as often as Prometheus usually looks."""

TOO_OLD = 3 * PERIOD
"""Seconds after which a file was not written by an agent that runs."""

WRITTEN = "musterd_agent_written_boot_seconds"
BEATING = "musterd_agent_beating"
SHARD_BEATING = "musterd_agent_shard_beating"


def boot_clock() -> float:
    """Return the seconds since this host started, asleep or awake, which are alike for all programs."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def faults_in(text: str, now: float) -> Iterator[str]:
    """Yield what is wrong with the agent that wrote ``text``; nothing if its members' beats get through.

    ``now`` is the present by :func:`boot_clock`.
    """
    told = list(series_in(text))
    written = [series.value for name, series in told if name == WRITTEN]
    if not written:
        yield "no agent wrote this file"
        return
    age = now - written[0]
    if not 0 <= age <= TOO_OLD:  # from before a restart of the host, perhaps
        yield f"no agent wrote it within the last {TOO_OLD:g} s: it does not run, or it is stuck"
        return
    for name, (labels, value, _) in told:
        if name == BEATING and not value:
            yield f"no beat of {labels['group']}/{labels['member']} gets through"
