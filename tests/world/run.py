"""Running a seed: the same one gives the same trace, whatever else this process did before."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b

import anyio
import structlog
import trio._core._run as scheduler
from trio.testing import MockClock

from tests.world.options import Options, drawn
from tests.world.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a world."""

    options: Options
    trace: list[str]
    broken: list[str]
    answers: int

    @property
    def hash(self) -> str:
        """What stands for the whole trace."""
        return blake2b("\n".join(self.trace).encode(), digest_size=8).hexdigest()


def run(seed: int) -> Outcome:
    """Run the world of a seed."""
    return run_world(drawn(seed))


def run_world(options: Options) -> Outcome:
    """Run the world of these options."""
    world = World(options)
    with _seeded(options.seed), _quiet():
        clock = MockClock(autojump_threshold=0)
        anyio.run(world.run, backend="trio", backend_options={"clock": clock})
    return Outcome(options, world.trace, world.judge.broken, world.judge.answers)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let trio choose by the seed which task goes next; and so all that draws from ``random``."""
    name = "_ALLOW_DETERMINISTIC_SCHEDULING"
    before = getattr(scheduler, name), scheduler._r.getstate(), random.getstate()
    setattr(scheduler, name, True)
    scheduler._r.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        setattr(scheduler, name, before[0])
        scheduler._r.setstate(before[1])
        random.setstate(before[2])


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: the trace has what counts."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)
