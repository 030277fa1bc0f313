"""The rules by which Nova itself calls a service up, as of Nova 34, in columns. Pure.

Both compare the clock of a host that wrote with that of the host that asks, which musterd never does. They
are here to be recorded beside its verdicts, and no verdict comes from them.
"""

import numpy as np

from musterd.trace.words import Rule
from musterd_coordinator.judge.members import Mask, Seconds


def are_alive(rule: Rule, ages: Seconds, down_time: float) -> Mask:
    """Say of n members which ones Nova calls up, ``ages`` seconds after their hosts wrote, by wall clocks.

    ``db`` (nova/servicegroup/drivers/db.py, ``is_up``): the absolute value is at most ``service_down_time``,
    so that a row from the future is dead, too. ``mc`` (drivers/mc.py, ``is_up``, by a region of
    dogpile.cache with ``expiration_time = service_down_time``, which takes a value for expired once
    ``time.time() - ct`` is more): what is from the future is alive, and what is not there is dead; its
    age is infinite.
    """
    alive: Mask = (np.abs(ages) if rule is Rule.DB else ages) <= down_time
    return alive
