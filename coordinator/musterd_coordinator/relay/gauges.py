"""A relay counts here, and logs one line when the database is lost or back."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from musterd.errors import StoreError
from musterd_coordinator.histogram import Histogram

WRITE_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LOOP_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

log = structlog.get_logger(__name__)


class Path:
    """A `Path` is one way to the database: open, or lost since some time.

    ``what`` goes over it, for logs.
    """

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self.reason = ""
        self.refused = 0
        self._what = what
        self._clock = clock
        self._lost_at = 0.0
        self._refused_now = 0
        self._last_refusal = ""

    def refuses(self, error: StoreError, refused: int) -> None:
        """Note that the database is there and said no, perhaps to one of many only."""
        self.refused += refused
        if error.reason != self._last_refusal:
            self._last_refusal = error.reason
            log.warning("store refuses", store=error.shard, refused=self._what, reason=error.reason)

    def failed(self, error: StoreError, refused: int) -> None:
        """Note that a statement failed, and that so many agents were told so."""
        if not self.reason:
            self._lost_at = self._clock()
            log.warning("store lost", store=error.shard, refused=self._what, reason=error.reason)
        self.reason = error.reason
        self.refused += refused
        self._refused_now += refused

    def worked(self) -> None:
        """Note that a statement was committed."""
        if not self.reason:
            return
        seconds = round(self._clock() - self._lost_at, 1)
        log.info("store back", taken=self._what, seconds=seconds, refused=self._refused_now)
        self.reason = ""
        self._refused_now = 0


@dataclass
class RelayGauges:
    """These are counts since the start.

    ``lost`` are beats of members that the database did not know, ``unsigned`` those that were not
    signed with their member's key. ``writes`` are the seconds that batches took, and ``loop`` how late the
    event loop was.
    """

    clock: Callable[[], float]
    stored: int = 0
    lost: int = 0
    unsigned: int = 0
    batches: int = 0
    seconds: float = 0.0  # that the last batch took
    writes: Histogram = field(default_factory=lambda: Histogram(WRITE_BOUNDS))
    loop: Histogram = field(default_factory=lambda: Histogram(LOOP_BOUNDS))
    beats: Path = field(init=False)
    newcomers: Path = field(init=False)

    def __post_init__(self) -> None:
        self.beats = Path("beats", self.clock)
        self.newcomers = Path("newcomers", self.clock)

    def wrote(self, stored: int, lost: int, seconds: float) -> None:
        """Note that a batch was committed."""
        self.stored += stored
        self.lost += lost
        self.batches += 1
        self.seconds = seconds
        self.writes.observe(seconds)
        self.beats.worked()

    @property
    def reason(self) -> str:
        """Return why beats are refused at present; empty if they are not."""
        return self.beats.reason or self.newcomers.reason

    def statistics(self) -> dict[str, object]:
        """Return all counts by name."""
        return {
            "beats_stored": self.stored,
            "beats_not_stored": self.lost,
            "beats_unsigned": self.unsigned,
            "beats_refused": self.beats.refused + self.newcomers.refused,
            "batches": self.batches,
            "last_batch_seconds": round(self.seconds, 6),
            "store_lost": self.reason or "no",
        }
