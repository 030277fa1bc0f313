"""The module says once what members promise: one line a change, however many they are."""

from collections.abc import Callable

import numpy as np
import structlog

from musterd_coordinator.judge import promises
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.members import Code, Rows
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.wording import examples

log = structlog.get_logger(__name__)

_NAMED = 3
_MORE = 2.0  # times as many as were said are worth another line


_LONG_INTERVAL = "service_down_time is less than 2.5 of their intervals, after which they are down"
_LOST_MESSAGE = (
    "service_down_time is less than one and a half of their intervals and rpc_response_timeout: for so"
    " long one message that is lost keeps a living nova-compute silent"
)


class Notices:
    """A `Notices` knows which members are judged later than others, and which promises are clamped.

    Clamped promises are held to what an agent may be set to. ``clamped_since`` is when that began,
    in seconds of the wall clock; None while there are none.
    """

    def __init__(self, detector: Detector, directory: NameIndex, wall: Callable[[], float]) -> None:
        self._later: Rows = np.empty(0, np.int64)
        self._clamped: Rows = np.empty(0, np.int64)
        self.clamped_since: float | None = None
        self._detector = detector
        self._directory = directory
        self._wall = wall
        self._looked_at = 0
        self._said = {"later": 0, "clamped": 0}

    def refresh(self) -> None:
        """Count anew if a member promised something else, and log what changed."""
        noted, members = self._detector.promises_noted, self._detector.members
        if noted == self._looked_at:
            return
        self._looked_at = noted
        self._later = promises.later(members, self._detector.rules)
        self._clamped = promises.clamped(members)
        if not len(self.clamped):
            self.clamped_since = None
        elif self.clamped_since is None:
            self.clamped_since = self._wall()
        if self._is_news("later", len(self.later)):
            self._say_later()
        if self._is_news("clamped", len(self.clamped)):
            self._say_clamped()

    @property
    def later(self) -> Rows:
        """Return the members that are judged later than after service_down_time, and still here."""
        members, down_time = self._detector.members, self._detector.rules.service_down_time
        here = members.state[self._later] != Code.FREE
        later: Rows = self._later[here & (members.down_after[self._later] > down_time)]
        return later

    @property
    def clamped(self) -> Rows:
        """Return the members still here with promises that are not kept to the letter."""
        clamped: Rows = self._clamped[self._detector.members.clamped[self._clamped]]
        return clamped

    @property
    def latest_down_after(self) -> float:
        """Return the longest that a member may be silent, in seconds; 0: none is judged later."""
        return float(self._detector.members.down_after[self.later].max(initial=0.0))

    def _is_news(self, what: str, count: int) -> bool:
        said = self._said[what]
        if (count and count < _MORE * said) or count == said:
            return False
        self._said[what] = count
        return True

    def _say_later(self) -> None:
        down_time = self._detector.rules.service_down_time
        if not len(self.later):
            log.info("members judged on time again", service_down_time=down_time)
            return
        log.warning(
            "members judged later",
            count=len(self.later),
            service_down_time=down_time,
            latest=round(self.latest_down_after, 3),
            members=self._names(self.later),
            reason=_LOST_MESSAGE if self._detector.rules.queued else _LONG_INTERVAL,
        )

    def _say_clamped(self) -> None:
        if not len(self.clamped):
            log.info("promises kept again")
            return
        log.warning(
            "promises clamped",
            count=len(self.clamped),
            members=self._names(self.clamped),
            reason="no agent may be set to the interval or push timeout that their beats tell",
        )

    def _names(self, rows: Rows) -> str:
        named = rows[:_NAMED].tolist()
        return examples([str(self._directory.member(row)) for row in named], len(rows))
