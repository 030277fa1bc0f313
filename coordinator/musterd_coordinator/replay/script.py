"""A `Script` is who beat and who did not, made of a recording: what a replay plays again. Pure.

What is recorded are silences; outside of them members beat once an interval. A silence that is too brief
to matter to any verdict is left out: who is silent for less than half of what makes it down counts for
nothing, unless its shard was not listened to near it.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

from musterd.beat import Status
from musterd.limits import MAX_INTERVAL, MIN_INTERVAL
from musterd.model import State
from musterd.report.lives import OWN_WORDS
from musterd.report.spells import clipped, merged
from musterd.report.world import World, deaf
from musterd.trace.lines import GONE
from musterd.trace.recording import Said, Silence, Span, Stretch
from musterd_coordinator.judge.members import CODES, Code
from musterd_coordinator.replay.rules import ReplayRules

AT_ONCE = 5
"""Sweep periods within which a member must be told of to have been there from the beginning."""

_GOLDEN = (5**0.5 - 1) / 2  # multiples of it are spread evenly over the interval from 0 to 1


class OwnWord(NamedTuple):
    """An `OwnWord` is what a member says of itself from ``t`` on."""

    t: float
    status: Status


class Part(NamedTuple):
    """A `Part` is that of one member: when it ``came``, in which ``state``, and when it was ``gone``.

    It beats first at ``begins``; inf: when its first silence ends, if ever.
    """

    member: int
    came: float
    gone: float
    state: Code
    begins: float
    interval: float
    shards: tuple[int, ...]
    zone: tuple[str, str]
    silences: Sequence[Silence]
    claims: Sequence[OwnWord]


class Script(NamedTuple):
    """A `Script` has the parts of all members, in the order in which they came.

    ``deaf`` has, by shard, the times for which its sweeps proved nothing.
    """

    parts: Sequence[Part]
    deaf: Sequence[Sequence[Span]]
    first: float
    end: float


def script_of(stretch: Stretch, rules: ReplayRules) -> Script:
    """Return what is to be played of ``stretch`` under ``rules``."""
    shards = max(1, len(stretch.header.shards))
    spans = [deaf(stretch, shard) for shard in range(shards)]
    around = 3 * rules.judging.interval + rules.sweep_timeout
    unheard = merged((a - around, b + around) for each in spans for a, b in each)
    world = World(stretch)
    made = (_part(world, member, rules, unheard) for member in stretch.members)
    parts = sorted(made, key=lambda each: (each.came, each.member))
    return Script(parts, spans, stretch.first, stretch.end)


def _part(world: World, member: int, rules: ReplayRules, unheard: Sequence[Span]) -> Part:
    stretch, life = world.stretch, world.life(member)
    line, said = stretch.members[member], stretch.verdicts.get(member, [])
    usual = rules.judging.interval
    interval = min(max(rules.interval or line.interval or usual, MIN_INTERVAL), MAX_INTERVAL)
    at_once = AT_ONCE * rules.sweep_period
    came = _came(stretch, said, life.silences, at_once)
    state = _first_state(said, came, stretch.first, at_once)
    begins = life.heard
    if state is not Code.UNKNOWN and begins <= came + at_once:
        begins = came + interval * (member * _GOLDEN % 1)
    return Part(
        member,
        came,
        said[-1].t if said and said[-1].word == GONE else inf,
        state,
        begins,
        interval,
        tuple(each for each in (line.shard, *line.also) if 0 <= each < len(stretch.header.shards)),
        (line.group, line.zone),
        [each for each in life.silences if matters(each, interval, rules, unheard)],
        list(_claims(said)),
    )


def matters(silence: Silence, interval: float, rules: ReplayRules, unheard: Sequence[Span]) -> bool:
    """Say whether any verdict may depend on a silence.

    ``unheard`` are times at which a shard was not listened to, and those near them.
    """
    if silence.until is None:
        return True
    down_time = rules.down_after(interval)
    least = min(down_time, max(down_time / 2, 1.5 * interval)) - 2 * rules.sweep_period
    span = silence.last, silence.until
    return span[1] - span[0] >= least or any(clipped(span, each) for each in unheard)


def _came(
    stretch: Stretch, said: Sequence[Said], silences: Sequence[Silence], at_once: float
) -> float:
    """Return when a member came; the beginning where it was told of at once, or had been before."""
    told = min(said[0].t if said else inf, silences[0].last if silences else inf)
    first = stretch.first
    return first if stretch.goes_on or told <= first + at_once else min(told, stretch.end)


def _first_state(said: Sequence[Said], came: float, first: float, at_once: float) -> Code:
    """Return a member's state when it came: what was said of it at once, or up; a newcomer is unknown."""
    before = [each for each in said if each.t <= first + at_once]
    if came > first or (before and before[0].reason == "first_beat"):
        return Code.UNKNOWN
    return _CODES.get(before[0].word, Code.UP) if before else Code.UP


_CODES = {str(state): code for state, code in CODES.items()}


def _claims(said: Sequence[Said]) -> Iterator[OwnWord]:
    """Yield what a member said of itself, by the verdicts that it led to."""
    for each in said:
        if each.word == State.LEFT or each.reason == "mass_goodbye":
            yield OwnWord(each.t, Status.LEAVING)
        elif each.word == State.DOWN and each.reason in OWN_WORDS:
            yield OwnWord(each.t, Status.CHECK_FAILING)
        elif each.word == State.UP:
            yield OwnWord(each.t, Status.OK)
