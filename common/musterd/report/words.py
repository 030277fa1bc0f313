"""What is said of a report in words: in a terminal and on a page. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from musterd.report.answers import AdviceAnswer, DeathsAnswer, WatchedAnswer
from musterd.report.assessing import OURS

_JUDGES = {"db": "Nova (db)", "mc": "Nova (mc)", OURS: OURS}


def named(judge: str) -> str:
    """Return a judge as people see it: ``Nova (db)``."""
    return _JUDGES.get(judge, judge)


def deaths_lines(deaths: DeathsAnswer, judges: Sequence[str]) -> Iterator[str]:
    """Yield how many deaths there were, who found them, and how much sooner musterd did."""
    found = ", ".join(f"{named(judge)} {deaths.found[judge]}" for judge in judges)
    yield f"deaths: {deaths.count}" + (f"; found by {found}" if deaths.count else "")
    for judge, (middle, least, most) in deaths.sooner.items():
        spread = f", from {_sooner(most)} to {_sooner(least)}" if least != most else ""
        yield f"musterd found them {_sooner(middle)} than {named(judge)} (median{spread})"


def _sooner(seconds: float) -> str:
    return f"{abs(seconds):.1f} s {'later' if seconds < 0 else 'sooner'}"


def later_lines(later: Mapping[str, int]) -> Iterator[str]:
    """Yield how often each judge called members down that came back too late to tell."""
    for judge, times in later.items():
        yield (
            f"{named(judge)} called members down {times} times that came back later: they may have"
            " been restarted, and count neither as living nor as dead"
        )


def advice_words(advice: AdviceAnswer) -> str:
    """Return by which ``service_down_time`` a judge would not have erred, and what that costs."""
    if advice.service_down_time is None:
        tried = "none of those that were tried; musterd replay tries others"
        return (
            tried if advice.judge == OURS else "none: there was nothing to be had of some members"
        )
    if not advice.later:
        return f"service_down_time = {advice.in_force:g}, as it is"
    return (
        f"service_down_time = {advice.service_down_time:g}, by which a death is found"
        f" {duration(advice.later)} later"
    )


def duration(seconds: float) -> str:
    """Return a duration as people say it: ``0.4 s``, ``12 min``, ``3.5 h``."""
    unit, name = next(each for each in _UNITS if seconds >= each[0] or each[0] == 1)
    return f"{seconds / unit:.3g} {name}"


_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def settings_words(settings: Mapping[str, float]) -> str:
    """Return settings as people read them."""
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())


def period_words(report: WatchedAnswer) -> str:
    """Return from when to when a report goes."""
    return f"{report.begin:%Y-%m-%d %H:%MZ} to {report.end:%Y-%m-%d %H:%MZ}"
