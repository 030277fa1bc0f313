"""What ``musterd top`` draws: a pure function of what is known to lines that fit a terminal."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from musterd.cli import render
from musterd.client.columnview import ZoneCount
from musterd.incidents import Incident, IncidentKind
from musterd.model import State, Transition
from musterd.status import EventStatus

_BAR = 24
_NAMES = 30  # columns of a group and its zone, at most
_MOST_GROUPS = 4
_TITLED = 2  # lines that a section takes besides its rows
_SIGNS = {
    State.UP: ("=", "green"),
    State.SUSPECT: ("?", "yellow"),
    State.DOWN: ("x", "red"),
    State.LEFT: (".", "grey"),
    State.UNKNOWN: (".", "grey"),
}
_BAD = (State.DOWN, State.SUSPECT)
_MILD = (*(IncidentKind.REDUNDANCY_LOST, IncidentKind.SLOW_SWEEPS), IncidentKind.FORCED_DOWN)
KEYS = "q quits   = up   ? suspect   x down   . left or unknown"


class Span(NamedTuple):
    """A ``Span`` is a text in one colour, or in none."""

    text: str
    colour: str = ""


Row = Sequence[Span]


class TopView(NamedTuple):
    """A ``TopView`` is all that is drawn, as known at ``now``.

    ``followed`` is the coordinator, "" while none is, for the reason ``problem``, since ``lost``. ``age``
    is the seconds since the store was proven to be heard; ``changes`` are the newest first.
    """

    now: datetime
    followed: str = ""
    problem: str = "not connected yet"
    lost: datetime | None = None
    listening: bool = False
    age: float | None = None
    told: EventStatus | None = None
    zones: Sequence[ZoneCount] = ()
    changes: Sequence[Transition] = ()


def frame(scene: TopView, width: int, height: int, paint: render.Paint) -> list[str]:
    """Return at most ``height`` lines of at most ``width`` columns."""
    head = [_verdict(scene), *_groups(scene)]
    sections = [_incidents(scene), _zones(scene), _changes(scene)]
    room = height - len(head) - 1
    rows: list[Row] = [*head[: max(1, height - 1)], *_stacked(sections, room)]
    rows += [()] * (height - 1 - len(rows))
    rows.append([Span(KEYS, "grey")])
    return [drawn(row, width, paint) for row in rows[:height]]


def drawn(row: Row, width: int, paint: render.Paint) -> str:
    """Return ``row`` in at most ``width`` columns; what is cut off ends with ``~``."""
    if sum(columns(span.text) for span in row) <= width:
        return "".join(_painted(span.text, span.colour, paint) for span in row)
    parts, left = [], width - 1
    for span in row:
        text = _cut(span.text, left)
        left -= columns(text)
        parts.append(_painted(text, span.colour, paint))
        if text != span.text:
            break
    return "".join(parts) + "~" if width > 0 else ""


def columns(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, width: int) -> str:
    taken = 0
    for at, character in enumerate(text):
        taken += _columns_of(character)
        if taken > width:
            return text[:at]
    return text


def _painted(text: str, colour: str, paint: render.Paint) -> str:
    return paint(text, colour) if text and colour else text


def _verdict(scene: TopView) -> Row:
    clock = Span(f"  {render.moment(scene.now)}", "grey")
    if not scene.followed:
        ago = "" if scene.lost is None else f" for {render.since(scene.lost, scene.now)}"
        known = "; what follows is as of then" if scene.told is not None else ""
        return [Span("NO ANSWER", "red"), Span(f"{ago}: {scene.problem}{known}"), clock]
    where = Span(f"  {scene.followed}")
    if not scene.listening:
        since = "" if scene.age is None else f" for {render.age(scene.age)}"
        text = f"  the store is not heard{since}, so silence counts against nobody"
        return [Span("NOT LISTENING", "red"), Span(text), where, clock]
    incidents = () if scene.told is None else scene.told.incidents
    if not incidents:
        return [Span("WELL", "green"), Span("  nothing needs attention"), where, clock]
    colour = "yellow" if all(one.kind in _MILD for one in incidents) else "red"
    text = f"  {render.count(len(incidents), 'incident')}"
    return [Span("ATTENTION", colour), Span(text), where, clock]


def _groups(scene: TopView) -> list[Row]:
    groups = [] if scene.told is None else list(scene.told.groups)
    rows: list[Row] = []
    for one in groups[:_MOST_GROUPS]:
        row = [Span(f"{one.group}: {render.count(one.members, 'member')}")]
        counts = [(state, one.states.get(state, 0)) for state in State]
        row += [Span(f"  {number} {state}", _SIGNS[state][1]) for state, number in counts if number]
        marks = [(mark.replace("_", " "), number) for mark, number in one.marks.items()]
        row += [Span(f"  {number} {mark}") for mark, number in marks if number]
        rows.append(row)
    if len(groups) > _MOST_GROUPS:
        more = len(groups) - _MOST_GROUPS + 1
        rows[-1] = [Span(f"and {more} more groups: musterd groups", "grey")]
    return rows


def _stacked(sections: Iterable[tuple[str, Sequence[Row]]], room: int) -> Iterator[Row]:
    """Yield sections that have rows, each with a line before its title, in ``room`` lines of all."""
    open_ones = [(title, rows) for title, rows in sections if rows]
    for at, (title, rows) in enumerate(open_ones):
        rest = [len(others) + _TITLED for _, others in open_ones[at + 1 :]]
        fair = room // (len(rest) + 1)
        mine = min(len(rows) + _TITLED, max(fair, room - sum(rest)))
        if mine <= _TITLED:
            continue
        shown = rows if len(rows) <= mine - _TITLED else rows[: mine - _TITLED - 1]
        yield ()
        yield [Span(title, "grey")]
        yield from shown
        if len(shown) < len(rows):
            yield [Span(f"and {len(rows) - len(shown)} more", "grey")]
        room -= mine


def _incidents(scene: TopView) -> tuple[str, list[Row]]:
    incidents = () if scene.told is None else scene.told.incidents
    rows = [_incident(one, scene.now) for one in incidents]
    return f"NEEDS ATTENTION ({len(rows)}): musterd incidents says what to do", rows


def _incident(one: Incident, now: datetime) -> Row:
    kind = one.kind.replace("_", " ").upper()
    return [
        Span(kind, "yellow" if one.kind in _MILD else "red"),
        Span(f" {one.what}"),
        Span(f", for {render.since(one.since, now)}", "grey"),
    ]


def _zones(scene: TopView) -> tuple[str, list[Row]]:
    worst = sorted(scene.zones, key=lambda one: (-_share_of_bad(one), one.group, one.zone))
    names = [_cut(f"{one.group} {one.zone}".rstrip(), _NAMES) for one in worst]
    wide = max(map(columns, names), default=0)
    rows = [_zone(one, name, wide) for one, name in zip(worst, names, strict=True)]
    return f"ZONES ({len(rows)}), the worst first", rows


def _zone(one: ZoneCount, name: str, wide: int) -> Row:
    row = [Span(name + " " * (wide - columns(name)) + " [")]
    for state, cells in bar(one):
        sign, colour = _SIGNS[state]
        row.append(Span(sign * cells, colour))
    row.append(Span("]"))
    for state, number in one.states.items():
        if number:
            row.append(Span(f" {number} {state}", _SIGNS[state][1]))
    if one.forced_down:
        row.append(Span(f" {one.forced_down} forced down"))
    return row


def bar(one: ZoneCount) -> list[tuple[State, int]]:
    """Return states and their parts of a bar; none that anybody is in has no part of it."""
    counts = {state: one.states[state] for state in _SIGNS if one.states.get(state)}
    parts = {state: max(1, number * _BAR // one.members) for state, number in counts.items()}
    if parts:
        parts[max(counts, key=counts.__getitem__)] += _BAR - sum(parts.values())
    return list(parts.items())


def _share_of_bad(one: ZoneCount) -> float:
    bad = sum(one.states.get(state, 0) for state in _BAD)
    return max(bad, one.forced_down) / max(1, one.members)


def _changes(scene: TopView) -> tuple[str, list[Row]]:
    return "LAST CHANGES", [_change(one) for one in scene.changes]


def _change(one: Transition) -> Row:
    zone = f" in {one.zone}" if one.zone else ""
    by = f"  by {one.actor}" if one.actor else ""
    return [
        Span(f"{one.at:%H:%M:%S}Z ", "grey"),
        Span(f"{one.group}/{one.member}{zone}  {one.old} -> "),
        Span(one.new.value, _SIGNS[one.new][1]),
        Span(f"  ({one.reason}){by}", "grey"),
    ]
