"""What was so in a stretch of a recording, whatever anybody said: who lived, and what befell shards. Pure."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from musterd.errors import ConfigError
from musterd.model import State
from musterd.report.causes import Surroundings
from musterd.report.lives import Life, Truth, heard_from, is_by_silence
from musterd.report.spells import Spell, common, merged, spells_of
from musterd.stores.nova.store import is_novas
from musterd.trace.lines import GONE, TraceHeader
from musterd.trace.recording import DEAD, Said, Silence, Span, Stretch
from musterd.trace.words import DeafKind, EventKind, ShardEnd

NOVA = "nova+"
"""Schemes of stores begin so where Nova's services are watched, whose runs cannot be told apart."""

OWN_AFFAIRS = (DeafKind.STARTING, DeafKind.CHALLENGE, DeafKind.DOUBT)
"""Why a coordinator does not listen, though its shard does all that is asked of it."""


class Who(NamedTuple):
    """A `Who` is a member as people see it: group and name, and its zone."""

    name: str
    zone: str


class Doubt(NamedTuple):
    """A `Doubt` is a time for which the members of a shard, or of a zone of a group, were in doubt."""

    span: Span
    shard: int | None
    zone: tuple[object, object]


class World:
    """A `World` is what was so, whatever anybody said: lives, and what befell their shards."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self.down_time = setting(stretch.header, "service_down_time")
        self.interval = setting(stretch.header, "interval")
        self.slack = 2 * setting(stretch.header, "sweep_period")
        self._watched = [each.startswith(NOVA) for each in stretch.header.source.split()]
        self.doubts = doubts_in(stretch)
        shards = range(len(stretch.header.shards))
        self._deaf = [deaf(stretch, shard) for shard in shards]
        self._lost = [lost(stretch, shard) for shard in shards]
        self._lives = dict[int, Life]()
        self._surroundings = dict[tuple[tuple[int, ...], tuple[object, object]], Surroundings]()

    def life(self, member: int) -> Life:
        """Return what was heard of a member."""
        if member not in self._lives:
            self._lives[member] = self._life(member)
        return self._lives[member]

    def truth(self, member: int, spell: Spell) -> Truth:
        """Return what became of a member that was called dead in ``spell``."""
        has_runs = self._has_runs(member)
        return self.life(member).truth_of(spell, self.down_time, has_runs=has_runs)

    def end_of(self, member: int, silence: Silence) -> Truth:
        """Return what became of a member in one of its silences."""
        has_runs = self._has_runs(member)
        return self.life(member).end_of(silence, self.down_time, has_runs=has_runs)

    def around(self, member: int) -> Surroundings:
        """Return what befell a member's shards, and its zone."""
        key = self._places(member), self._zone(member)
        if key not in self._surroundings:
            self._surroundings[key] = self._around(*key)
        return self._surroundings[key]

    def _around(self, places: Sequence[int], zone: tuple[object, object]) -> Surroundings:
        lost = merged(span for each in places for span in self._lost[each])
        doubts = [each.span for each in self.doubts if each.shard in places or each.zone == zone]
        return Surroundings(lost, merged(doubts), self.interval, self.slack)

    def who(self, member: int) -> Who:
        """Return a member as people see it."""
        line = self.stretch.members.get(member)
        if line is None:
            return Who(f"member {member}", "")
        return Who(f"{line.group}/{line.name}", line.zone)

    def wall(self, span: Span) -> Span:
        """Return a time of the run in seconds since 1970."""
        return self.stretch.wall(span[0]), self.stretch.wall(span[1])

    def all_deaf(self) -> list[Span]:
        """Return the times for which any shard was not listened to."""
        return merged(span for spans in self._deaf for span in spans)

    def _life(self, member: int) -> Life:
        said = self.stretch.verdicts.get(member, ())
        silences = self._silences(member, said)
        left = [each[:2] for each in spells_of(said, State.LEFT, self.stretch.end)]
        unheard = common([self._deaf[each] for each in self._places(member)])
        return Life(silences, self._heard(said, silences), left, unheard)

    def _silences(self, member: int, said: Sequence[Said]) -> Sequence[Silence]:
        """Return a member's silences, and the last one of a member that was forgotten in it."""
        silences = self.stretch.silences.get(member, [])
        fell = said[-2] if len(said) > 1 and said[-1].word == GONE else None
        if fell is None or not is_by_silence(fell) or (silences and silences[-1].until is None):
            return silences
        return [*silences, Silence(fell.t - self.down_time - self.slack)]

    def _heard(self, said: Sequence[Said], silences: Sequence[Silence]) -> float:
        """Return when a member was heard first: it was up, where what it was before is not told."""
        first = self.stretch.first
        is_told = not self.stretch.goes_on or any(each.t <= first for each in said)
        return heard_from(said, silences, inf if is_told else first)

    def _has_runs(self, member: int) -> bool:
        """Say whether it would be seen if a member was restarted; a service of Nova's has no runs."""
        if all(self._watched) or not any(self._watched):
            return not any(self._watched)
        line = self.stretch.members.get(member)
        return line is not None and not is_novas(line.group)

    def _places(self, member: int) -> tuple[int, ...]:
        line = self.stretch.members.get(member)
        places = () if line is None else (line.shard, *line.also)
        return tuple(each for each in places if 0 <= each < len(self._deaf))

    def _zone(self, member: int) -> tuple[object, object]:
        line = self.stretch.members.get(member)
        return (None, None) if line is None else (line.group, line.zone)


def setting(header: TraceHeader, name: str) -> float:
    """Return a setting in force; raise ConfigError where a trace has it not, or as another thing."""
    value = header.settings.get(name)
    if not isinstance(value, int | float) or not 0 <= value < inf:
        raise ConfigError(f"run {header.run}: its header has no {name} that could be; leave it out")
    return float(value)


def deaf(stretch: Stretch, shard: int) -> list[Span]:
    """Return the times for which sweeps of ``shard`` proved nothing, or there were none."""
    return merged([*_turned(stretch, shard, ()), *_pauses(stretch, shard)])


def lost(stretch: Stretch, shard: int) -> list[Span]:
    """Return the times for which something was wrong with ``shard`` itself."""
    return merged(_turned(stretch, shard, OWN_AFFAIRS))


def _turned(stretch: Stretch, shard: int, but: Sequence[str]) -> list[Span]:
    """Return when sweeps of ``shard`` did not end well, ``but`` for these reasons."""
    turns = stretch.turns.get(shard, ())
    bad = (DEAD if each.word != ShardEnd.OK and each.reason not in but else "" for each in turns)
    said = [Said(each.t, word) for each, word in zip(turns, bad, strict=True)]
    return [(each.begin, each.end) for each in spells_of(said, DEAD, stretch.end)]


def _pauses(stretch: Stretch, shard: int) -> list[Span]:
    found = [e for e in stretch.events if (e.kind, e.shard) == (EventKind.PAUSE, shard)]
    begun = [(each.facts.get("since"), each.t) for each in found]
    return [(since, t) for since, t in begun if isinstance(since, int | float)]


_ENDS: Mapping[str, str] = {
    EventKind.STORM_OVER: EventKind.STORM,
    EventKind.DOUBT_OVER: EventKind.DOUBT,
}


def doubts_in(stretch: Stretch) -> list[Doubt]:
    """Return the times of storms, and those for which a herd was in doubt."""
    doubts, since = list[Doubt](), dict[tuple[str, int | None, tuple[object, object]], float]()
    for event in stretch.events:
        zone = event.facts.get("group"), event.facts.get("zone")
        if event.kind in _ENDS.values():
            since.setdefault((event.kind, event.shard, zone), event.t)
        elif (key := (_ENDS.get(event.kind, ""), event.shard, zone)) in since:
            doubts.append(Doubt((since.pop(key), event.t), *key[1:]))
    return [*doubts, *(Doubt((begin, stretch.end), *key[1:]) for key, begin in since.items())]
