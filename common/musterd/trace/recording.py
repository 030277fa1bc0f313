"""A `Stretch` is what a recorder noted without a break, put in order: who was silent, and who said what.

Nothing here reads a file or a clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from musterd.trace.lines import (
    GONE,
    HeadCount,
    RuleChange,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceEvent,
    TraceHeader,
    TraceLine,
    TraceMember,
    VerdictChange,
)

ALIVE, DEAD = "alive", "dead"
"""What Nova's rules say."""

Span = tuple[float, float]


class Silence(NamedTuple):
    """A `Silence` is from ``last``, when a member was heard, to ``until``, when it was again.

    ``until`` is None where it was still silent when the recording ended. ``restarted``: who came back
    was another run of its agent.
    """

    last: float
    until: float | None = None
    restarted: bool = False


class Said(NamedTuple):
    """A `Said` is what a judge said of a member from ``t`` on.

    ``age`` is that of its newest beat by the judge's own reckoning, in seconds, where that is known.
    """

    t: float
    word: str
    reason: str = ""
    age: float = 0.0


@dataclass(slots=True)
class Stretch:
    """A `Stretch` has all that was noted from ``first`` to ``end``, in seconds of its run.

    By a member's number: who it is, its silences in order, and musterd's verdicts. ``answers`` are
    those of Nova's rules, by rule. ``turns`` has, by shard, how its sweeps ended from when on. It
    ``goes_on`` where what came before is not there any more: who is not told of then was up.
    """

    header: TraceHeader
    first: float
    end: float
    goes_on: bool = False
    members: dict[int, TraceMember] = field(default_factory=dict)
    silences: dict[int, list[Silence]] = field(default_factory=dict)
    verdicts: dict[int, list[Said]] = field(default_factory=dict)
    answers: dict[str, dict[int, list[Said]]] = field(default_factory=dict)
    turns: dict[int, list[Said]] = field(default_factory=dict)
    events: list[TraceEvent] = field(default_factory=list)
    counts: list[HeadCount] = field(default_factory=list)

    def wall(self, t: float) -> float:
        """Return the seconds since 1970 at ``t``, by the wall clock of when the run began."""
        return self.header.at.timestamp() + t

    def gone(self, member: int) -> float:
        """Return when a member was forgotten; the end of all if it was not."""
        said = self.verdicts.get(member)
        return said[-1].t if said and said[-1].word == GONE else self.end


class Recording:
    """A `Recording` makes a `Stretch` of lines, file by file."""

    def __init__(self, header: TraceHeader, *, goes_on: bool = False) -> None:
        self.stretch = Stretch(header, header.t, header.t, goes_on)
        self._silent: dict[int, float] = {}  # since when, as files end

    def add(self, lines: Iterable[TraceLine]) -> None:
        """Take in the lines of the next file."""
        for line in lines:
            if isinstance(line, TraceMember):
                self.stretch.members[line.id] = line
            else:
                self.stretch.end = max(self.stretch.end, line.t)
                self._take(line)

    def finish(self) -> Stretch:
        """Return all of it; who was still silent stays so."""
        for member, last in self._silent.items():
            self._silences(member).append(Silence(last))
        self._silent.clear()
        return self.stretch

    def _take(self, line: TraceLine) -> None:
        stretch = self.stretch
        match line:
            case SilenceEnded():
                self._silent.pop(line.id, None)
                self._silences(line.id).append(Silence(line.last, line.t, bool(line.restart)))
            case StillSilent():
                self._silent[line.id] = line.last
            case VerdictChange():
                said = Said(line.t, line.state, line.reason)
                _note(stretch.verdicts.setdefault(line.id, []), said)
            case RuleChange():
                word = ALIVE if line.alive else DEAD
                answers = stretch.answers.setdefault(line.rule, {}).setdefault(line.id, [])
                _note(answers, Said(line.t, word, "", abs(line.age or 0.0)))
            case ShardTurn():
                said = Said(line.t, line.how, line.kind)
                _note(stretch.turns.setdefault(line.shard, []), said)
            case TraceEvent():
                stretch.events.append(line)
            case HeadCount():
                stretch.counts.append(line)

    def _silences(self, member: int) -> list[Silence]:
        return self.stretch.silences.setdefault(member, [])


def _note(before: list[Said], said: Said) -> None:
    """Add what was said, if it is no repetition, by which a file that goes on a run begins."""
    if (
        not before
        or said.t > before[-1].t
        or (said.t == before[-1].t and said[:2] != before[-1][:2])
    ):
        before.append(said)
