"""How an attack is held against the promises.

It goes on until the host that dies a second after its beginning is answered down, so that whatever
stops verdicts is seen as that and not as patience. Nobody who beats may be answered down meanwhile,
and most of the time somebody must have been listening.
"""

import time
from collections.abc import Callable

from musterd.testing.busy import allowed_now
from tests.faults.lab import DURING, Lab
from tests.faults.memcached_orders import explains
from tests.faults.observer import POLL
from tests.faults.outcome import DEAD

LEAST = 6.0
"""Seconds that an attack lasts, even where the dead are found sooner."""

MOST = 40.0
"""Seconds after which an attack under which nobody was found has stopped verdicts, where the machine is
not busy."""

HELD_UP = 8.0
"""Seconds that an attack lasts under which nobody is judged."""

DEAF = 0.34
"""The share of an attack during which a coordinator may say that it does not listen."""


def under_attack(
    lab: Lab,
    name: str,
    deed: Callable[[], object],
    *,
    every: float = 0.25,
    least: float = LEAST,
    recovery: float = 30.0,
    deaf: float = DEAF,
) -> None:
    """Do ``deed`` again and again; then hold everything that was answered against the promises."""
    with lab.fault(name, recovery=recovery):
        began = time.monotonic()
        while not (_found(lab) and time.monotonic() > began + least):
            assert time.monotonic() - began < allowed_now(MOST), (
                f"{name}: nobody is found dead any more"
            )
            deed()
            time.sleep(every)
        lasted = time.monotonic() - began
    outcome = lab.verify()
    assert outcome.not_listening <= deaf * lasted + 3 * POLL, f"{name}: deaf, {outcome.explained}"


def held_up(
    lab: Lab, name: str, deed: Callable[[], object], *, why: str, every: float = 0.25
) -> None:
    """Do ``deed`` for a while, which holds up all verdicts: nobody is accused, and it is said ``why``."""
    with lab.fault(name):
        for _ in range(round(HELD_UP / every)):
            deed()
            time.sleep(every)
    assert explains(lab.verify().explained, why)


def _found(lab: Lab) -> bool:
    return lab.latest is not None and lab.latest.states.get(DURING) in DEAD
