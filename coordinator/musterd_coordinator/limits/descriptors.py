"""A process has as many open files as the system allows, and callers may take some of them."""

import resource
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

PLENTY = 1_048_576
"""Taken where the system sets no limit at all."""

FEW = 1024
"""With fewer a coordinator works, and says that there are few."""

KEPT = 128
"""Files that no caller takes: of stores, the registry, logs, and what listens."""

MOST_CALLERS = 4096
MOST_OF_STORE = 4096
MOST_OF_RELAY = 200_000
MOST_HANDSHAKES = 512

Read = Callable[[int], tuple[int, int]]
"""The soft and the hard limit of a resource, as the system says them."""

Write = Callable[[int, tuple[int, int]], None]


def allow_all(read: Read = resource.getrlimit, write: Write = resource.setrlimit) -> int:
    """Raise the soft limit to the hard one, as a login shell allows only 1024; return the limit then."""
    soft, hard = read(resource.RLIMIT_NOFILE)
    wanted = PLENTY if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            write(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # beyond what the kernel allows anybody
            log.warning("open files not raised", allowed=soft, wanted=wanted, reason=str(error))
        else:
            soft = wanted
    if soft != resource.RLIM_INFINITY and soft < FEW:
        log.warning("few open files allowed", allowed=soft, wanted=FEW)
    return allowed(read)


def allowed(read: Read = resource.getrlimit) -> int:
    """Return how many files this process may have open."""
    soft, _ = read(resource.RLIMIT_NOFILE)
    return PLENTY if soft == resource.RLIM_INFINITY else soft


def for_callers(descriptors: int) -> int:
    """Return how many connections the API takes, so that stores and registry always find one. Pure."""
    return max(1, min(MOST_CALLERS, descriptors // 2))


def for_embedded_store(descriptors: int) -> int:
    """Return how many connections a store takes that is in one process with the API. Pure."""
    return max(1, min(MOST_OF_STORE, descriptors - for_callers(descriptors) - _kept(descriptors)))


def for_relay(descriptors: int) -> int:
    """Return how many connections a relay takes: one more is told so, and goes to another relay. Pure."""
    left = descriptors - _kept(descriptors) - for_handshakes(descriptors)
    return max(1, min(MOST_OF_RELAY, left))


def for_handshakes(descriptors: int) -> int:
    """Return how many may shake hands by TLS with one listener, of which a process has two at most.

    They are no callers yet, and so have half of the files that no caller takes. Pure.
    """
    spare = max(0, descriptors - MOST_CALLERS - MOST_OF_STORE - KEPT)
    return max(1, min(MOST_HANDSHAKES, (_kept(descriptors) + spare) // 4))


def _kept(descriptors: int) -> int:
    return min(KEPT, descriptors // 4)
