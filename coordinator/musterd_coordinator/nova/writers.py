"""Services that write of themselves to the door are judged as members are: by listening time.

The door is a shard of its own, which its own canary proves to take what is written. What a service
writes is its beat, and all the rest is the detector's: gaps, allowances after them, mass silence.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.listening import ListeningClock
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.rules import Rules
from musterd_coordinator.judge.sweep import News, judge_sweep
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.columns import Beats

MOST = 100_000
"""Services that may write of themselves; what others write is kept as anything else is."""

_SHARD, _RUN = 0, 1
_GONE = (Code.DOWN, Code.LEFT)


class Writers:
    """`Writers` has services by Nova's key. ``period`` is the seconds from one round to the next.

    A round that takes longer than ``timeout`` seconds proves nothing.
    """

    def __init__(self, rules: Rules, *, period: float, timeout: float, most: int = MOST) -> None:
        self._detector = Detector(rules, [ListeningClock(period, timeout)])
        self._interval_ms = round(rules.interval * 1000)
        self._most = most
        self._rows: dict[bytes, int] = {}
        self._heard: set[int] = set()  # rows, since the last round

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    @property
    def gone(self) -> int:
        """Return how many of them are down."""
        return len(list(self._down()))

    @property
    def listening(self) -> bool:
        """Say whether the newest round could hear them."""
        return self._detector.clocks[_SHARD].listening

    def silence(self, key: bytes) -> float | None:
        """Return for how many seconds of listening a service wrote nothing; None: it is down.

        Raises KeyError for one that never wrote.
        """
        row = self._rows[key]
        if self._detector.members.state.item(row) in _GONE and row not in self._heard:
            return None
        return 0.0 if row in self._heard else self._detector.silence_of(row)

    def hear(self, key: bytes) -> bool:
        """Take in that a service wrote of itself; return False where there are too many."""
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= self._most:
                self.forget(list(self._down()))
            if len(self._rows) >= self._most:
                return False
            row = self._add([key], [Code.UNKNOWN], [0.0])[0]
        self._heard.add(row)
        return True

    def forget(self, keys: Iterable[bytes]) -> None:
        """Forget those of ``keys`` that ever wrote."""
        for key in keys:
            row = self._rows.pop(key, None)
            if row is not None:
                self._heard.discard(row)
                self._detector.members.remove(row)

    def judge(self, begin: float, end: float, *, proven: bool, canary: float) -> None:
        """Judge all by a round from ``begin`` to ``end``; ``proven``: the canary came through.

        It took ``canary`` seconds. As many as there may be take a few milliseconds.
        """
        heard, self._heard = self._heard, set()
        step = whole(self._detector.advance(_SHARD, begin, end, proven, canary))
        whole(judge_sweep(self._detector, _SHARD, self._news(heard), step, begin))

    def kept(self) -> Iterator[tuple[bytes, bool, float]]:
        """Yield each service by key: whether it is down, and for how many seconds it has been silent.

        Services may come and go meanwhile.
        """
        for key in list(self._rows):
            if key in self._rows:
                silence = self.silence(key)
                yield key, silence is None, silence or 0.0

    def restore(self, kept: Iterable[tuple[bytes, bool, float]]) -> None:
        """Add services as an earlier run left them. All have the time to be heard anew."""
        new = [one for one in kept if one[0] not in self._rows][: self._most - len(self._rows)]
        states = [Code.DOWN if down else Code.UP for _, down, _ in new]
        self._add([key for key, _, _ in new], states, [silence for _, _, silence in new])

    def _add(self, keys: list[bytes], states: list[Code], quiet: list[float]) -> list[int]:
        detector = self._detector
        shards = np.full((len(keys), 1), _SHARD, np.int16)
        rows = detector.add_all(np.array(states, np.uint8), shards, np.array(quiet, np.float64))
        added: list[int] = rows.tolist()
        self._rows.update(zip(keys, added, strict=True))
        return added

    def _down(self) -> Iterator[bytes]:
        return (key for key in self._rows if self.silence(key) is None)

    def _news(self, heard: set[int]) -> Iterator[News]:
        rows = np.array(sorted(heard), np.int64)
        count = len(rows)
        yield (
            rows,
            Beats(
                slot=rows,
                member_id=rows.astype(np.uint64),
                incarnation=np.full(count, _RUN, np.uint64),
                sequence=self._detector.members.sequence[rows] + np.uint64(1),
                interval_ms=np.full(count, self._interval_ms, np.uint32),
                status=np.zeros(count, np.uint8),
                sent_ms=np.zeros(count, np.int64),
                missed=np.zeros(count, np.uint16),
                push_timeout_ms=np.zeros(count, np.uint16),
                lag_ms=np.zeros(count, np.uint32),
            ),
        )
