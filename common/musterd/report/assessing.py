"""What was said in one stretch of a recording is held against who was alive. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from musterd.model import State
from musterd.report.causes import LATE, Culprit, Surroundings, culprit_of
from musterd.report.lives import OWN_WORDS, Life, Truth
from musterd.report.spells import Spell, spells_of
from musterd.report.world import Who, World
from musterd.trace.recording import DEAD, Said, Silence, Span, Stretch

OURS = "musterd"
Spells = Mapping[int, Sequence[Spell]]
"""Those of one judge, by the member's number."""


class Mistake(NamedTuple):
    """A `Mistake` is that ``judge`` called a member dead that lived, in seconds since 1970.

    ``age`` is the least down time, in seconds, by which it would not have; 0: not known.
    """

    judge: str
    member: Who
    span: Span
    culprit: Culprit
    age: float


class Death(NamedTuple):
    """A `Death` is that of a member heard last at ``last``; and when each judge ``found`` it."""

    member: Who
    last: float
    found: Mapping[str, float]


@dataclass(slots=True)
class Assessment:
    """An `Assessment` is what came of what was recorded: mistakes, deaths, and who came back ``later``.

    The last are times, by judge, of members that may have been restarted. All are in seconds since 1970,
    as are the times ``watched`` and those of ``troubles``: shards deaf, or storms and herds in doubt.
    """

    judges: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    later: list[tuple[str, Span]] = field(default_factory=list)
    watched: list[Span] = field(default_factory=list)
    deaf: list[Span] = field(default_factory=list)
    doubted: list[Span] = field(default_factory=list)

    def add(self, other: "Assessment") -> None:
        """Take in what came of another stretch."""
        self.judges += [each for each in other.judges if each not in self.judges]
        for name in ("mistakes", "deaths", "later", "watched", "deaf", "doubted"):
            getattr(self, name).extend(getattr(other, name))


def recorded(stretch: Stretch) -> dict[str, Spells]:
    """Return what each judge said while it was recorded: Nova's rules, and musterd last."""
    said = {
        rule: {
            member: spells_of(each, DEAD, stretch.gone(member)) for member, each in answers.items()
        }
        for rule, answers in sorted(stretch.answers.items())
    }
    for rule in stretch.header.rules:  # one that never called anybody dead has said so, too
        said.setdefault(rule, {})
    return {**said, OURS: downs(stretch.verdicts, stretch.end)}


def downs(verdicts: Mapping[int, Iterable[Said]], end: float) -> Spells:
    """Return the times for which members were down by ``verdicts``."""
    return {
        member: spells_of((_without_own(each) for each in said), State.DOWN, end)
        for member, said in verdicts.items()
    }


def _without_own(said: Said) -> Said:
    """Return what was said, as no word of musterd's where it is the member's own."""
    return said._replace(word=said.reason) if said.reason in OWN_WORDS else said


def assess(stretch: Stretch, judges: Mapping[str, Spells]) -> Assessment:
    """Hold what ``judges`` said against what was heard in ``stretch``."""
    world = World(stretch)
    made = Assessment(list(judges), watched=[world.wall((stretch.first, stretch.end))])
    made.deaf += map(world.wall, world.all_deaf())
    made.doubted += map(world.wall, (each.span for each in world.doubts))
    for judge, spells in judges.items():
        for member, theirs in spells.items():
            for spell in theirs:
                _weigh(made, world, judge, member, spell)
    made.deaths += _deaths(world, judges)
    return made


def _weigh(made: Assessment, world: World, judge: str, member: int, spell: Spell) -> None:
    truth, span = world.truth(member, spell), world.wall((spell.begin, spell.end))
    if truth is Truth.RETURNED:
        made.later.append((judge, span))
    if truth is not Truth.LIVED:
        return
    silence, around = world.life(member).silence_at(spell.begin), world.around(member)
    culprit, age = culprit_of(spell, silence, around), needed_age(spell, silence, around)
    made.mistakes.append(Mistake(judge, world.who(member), span, culprit, age))


def needed_age(spell: Spell, silence: Silence | None, around: Surroundings) -> float:
    """Return how old the newest beat became in a spell, in seconds; 0 where its age was not told."""
    if not spell.age:
        return 0.0
    more = LATE * around.interval  # beats went on, by a clock that was wrong
    if silence is not None:
        more = min(spell.end, silence.until or spell.end) - spell.begin
    return spell.age + more


def _deaths(world: World, judges: Mapping[str, Spells]) -> Iterator[Death]:
    wall = world.stretch.wall
    for member in world.stretch.members:
        for silence in world.life(member).silences:
            if world.end_of(member, silence) is Truth.DIED:
                found = {judge: wall(at) for judge, at in _found(member, silence, judges).items()}
                if found and not _said_goodbye(world.life(member), silence):
                    yield Death(world.who(member), wall(silence.last), found)


def _said_goodbye(life: Life, silence: Silence) -> bool:
    until = silence.until or inf
    return any(begin <= until and silence.last <= end for begin, end in life.left)


def _found(member: int, silence: Silence, judges: Mapping[str, Spells]) -> dict[str, float]:
    """Return when each judge called a member dead in a silence, for the first time."""
    found = dict[str, float]()
    for judge, spells in judges.items():
        for spell in spells.get(member, ()):
            if silence.last <= spell.begin and (
                silence.until is None or spell.begin < silence.until
            ):
                found.setdefault(judge, spell.begin)
    return found
