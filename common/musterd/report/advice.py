"""Under which ``service_down_time`` would nobody have erred, and what would it cost? Pure.

A rule that compares an age with ``service_down_time`` would not have erred by one that is above all ages
of living members. What musterd would have said is found by replaying what was recorded: a death is found
as much later as ``service_down_time`` is longer, whoever finds it.
"""

from collections.abc import Callable, Iterable, Iterator
from math import ceil

from musterd.report.answers import AdviceAnswer
from musterd.report.assessing import OURS, Assessment, Mistake
from musterd.report.causes import Culprit

LONGER = 1.25
"""By this much each down time that is tried is longer than the one before."""

MOST_TRIED = 12
"""Down times that are tried: the last is more than ten times the first."""

Errs = Callable[[float], bool]
"""Says whether musterd errs by a ``service_down_time``, in seconds."""


def advice_on(made: Assessment, in_force: float, errs: Errs) -> Iterator[AdviceAnswer]:
    """Yield what each judge would have needed; ``in_force`` is the ``service_down_time`` that was."""
    for judge in made.judges:
        mistakes = [each for each in made.mistakes if each.judge == judge]
        needed: float | None = in_force
        if mistakes and judge == OURS:
            needed = least(in_force, errs)
        elif mistakes:
            needed = needed_by(mistakes)
        later = None if needed is None else needed - in_force
        yield AdviceAnswer(judge, in_force, needed, later, _by_cause(mistakes))


def needed_by(mistakes: Iterable[Mistake]) -> float | None:
    """Return the least whole ``service_down_time`` by which a rule would have made no such mistakes.

    None: there is none, for somebody's age could not be had.
    """
    ages = [each.age for each in mistakes]
    return float(ceil(max(ages))) if all(ages) else None


def least(in_force: float, errs: Errs) -> float | None:
    """Return the first of ever longer down times by which musterd does not err; None: none tried."""
    return next((each for each in ladder(in_force) if not errs(each)), None)


def ladder(in_force: float) -> list[float]:
    """Return the down times that are tried, in whole seconds."""
    return [float(ceil(in_force * LONGER**step)) for step in range(1, MOST_TRIED + 1)]


def _by_cause(mistakes: list[Mistake]) -> dict[str, float]:
    causes = {each.culprit for each in mistakes}
    needed = {each: needed_by(one for one in mistakes if one.culprit is each) for each in causes}
    return {cause.value: needed[cause] or 0.0 for cause in Culprit if needed.get(cause)}
