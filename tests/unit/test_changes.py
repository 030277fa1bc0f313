"""The log of changes keeps so many; beyond that readers begin afresh."""

from datetime import UTC, datetime

import numpy as np

from musterd.answers import MemberChange
from musterd.model import State
from musterd_coordinator.roll.versions import LOG_LIMIT, ChangeLog


def described(version: int = 2) -> MemberChange:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    member = "compute", "a", State.UP
    return MemberChange(version, at, *member, up=True, schedulable=True, down=False, reason="")


def test_of_more_changes_than_it_keeps_it_describes_none() -> None:
    log = ChangeLog(1, lambda row: described())
    log.touch_all(np.arange(2 * LOG_LIMIT))
    log.touch(2 * LOG_LIMIT)
    log.touch_all(np.arange(2 * LOG_LIMIT, 3 * LOG_LIMIT))
    assert len(log._rows) == LOG_LIMIT + 1
    log.publish()
    assert (log.version, log.changes_since(1, None), log.changes_since(2, None)) == (2, None, [])


def test_of_more_members_that_are_gone_than_it_keeps_it_tells_none() -> None:
    log = ChangeLog(1, lambda row: described())
    for row in range(LOG_LIMIT + 3):
        log.remove(row, described())
    assert len(log._gone) == LOG_LIMIT + 1
    log.publish()
    assert (log.changes_since(1, None), log.changes_since(2, None)) == (None, [])


def test_the_oldest_changes_go_first() -> None:
    log = ChangeLog(1, lambda row: described(log.version))
    for _ in range(2):
        log.touch_all(np.arange(LOG_LIMIT // 2 + 1))
        log.publish()
    log.flush()
    assert log.changes_since(1, None) is None
    assert len(log.changes_since(2, None) or ()) == LOG_LIMIT // 2 + 1
