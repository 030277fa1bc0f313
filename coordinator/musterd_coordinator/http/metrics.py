"""Prometheus text (exposition format 0.0.4)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from musterd.model import GroupList, GroupSummary, Mark, ShardStatus, State, StatusAnswer
from musterd_coordinator.descriptors import allowed, open_files
from musterd_coordinator.http.gauges import Gauges
from musterd_coordinator.memory import resident_bytes
from musterd_coordinator.steps import Steps

GROUPS_SHOWN = 1000
LINES_AT_ONCE = 500

Sample = tuple[Mapping[str, str], float]


class _Family(NamedTuple):
    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


def render(
    status_steps: Steps[StatusAnswer], groups: Steps[GroupList], *, gauges: Gauges, readers: int
) -> Steps[bytes]:
    """The whole page, in steps."""
    status = yield from status_steps
    listed = yield from groups
    shown = yield from _shown(listed.groups)
    families = (
        *_coordinator(status),
        *_members(shown, status),
        *_shards(status.shards),
        _rejected(status.shards),
        _storms(status),
        _held(status),
        *_callers(gauges, readers),
        *_process(status.started.timestamp()),
    )
    yield
    lines: list[str] = []
    for count, line in enumerate(line for family in families for line in _lines(family)):
        lines.append(line)
        if count % LINES_AT_ONCE == LINES_AT_ONCE - 1:
            yield
    return "".join(lines).encode()


def _shown(groups: Sequence[GroupSummary]) -> Steps[Sequence[GroupSummary]]:
    """The largest groups; the others are one without a name."""
    if len(groups) <= GROUPS_SHOWN:
        return groups
    sizes = np.fromiter((one.members for one in groups), np.int64, len(groups))
    order = np.argsort(-sizes, kind="stable")
    others = Others()
    for at in range(GROUPS_SHOWN, len(order), LINES_AT_ONCE):
        for place in order[at : at + LINES_AT_ONCE].tolist():
            others.add(groups[place])
        yield
    return [*(groups[place] for place in np.sort(order[:GROUPS_SHOWN]).tolist()), others.summary()]


class Others:
    """Groups added up."""

    def __init__(self) -> None:
        self._members = 0
        self._states, self._verdicts, self._marks = (
            Counter[State](),
            Counter[str](),
            Counter[Mark](),
        )

    def add(self, group: GroupSummary) -> None:
        """One more."""
        self._members += group.members
        self._states.update(group.states)
        self._verdicts.update(group.verdicts)
        self._marks.update(group.marks)

    def summary(self) -> GroupSummary:
        """All of them as one, whose name no group can have."""
        counts = dict(self._states), dict(self._verdicts), dict(self._marks)
        return GroupSummary("", self._members, *counts)


def _gauge(name: str, means: str, value: float | None) -> _Family:
    return _Family(name, "gauge", means, [] if value is None else [({}, value)])


def _coordinator(status: StatusAnswer) -> Iterator[_Family]:
    build = {"version": status.musterd, "coordinator": status.coordinator}
    yield _Family("musterd_build_info", "gauge", "This coordinator; always 1.", [(build, 1)])
    yield _gauge(
        "musterd_start_time_seconds", "When it started, Unix time.", status.started.timestamp()
    )
    yield _gauge("musterd_ready", "1 if it has listened long enough to answer.", status.ready)
    yield _gauge(
        "musterd_listening", "1 if every member has a shard that is listening.", status.listening
    )
    yield _gauge(
        "musterd_uncovered", "Members none of whose shards is listening.", status.uncovered
    )
    yield _gauge(
        "musterd_staleness_seconds",
        "Age of the newest proven sweep for the member that is worst off.",
        status.staleness,
    )
    yield _gauge("musterd_roll_version", "Version of the roll.", status.version)
    yield _gauge(
        "musterd_service_down_time_seconds",
        "Listening time without a beat that makes a member silent.",
        status.service_down_time,
    )
    yield _gauge(
        "musterd_members_judged_later",
        "Members that are down after more than service_down_time, for their long intervals.",
        status.judged_later,
    )
    yield _gauge("musterd_sweep_period_seconds", "Time between sweeps.", status.sweep_period)
    yield _gauge(
        "musterd_registry_unsaved",
        "Members and lines of history that the registry does not have yet.",
        status.unsaved,
    )
    yield _gauge("musterd_registry_ok", "1 if the registry answers.", status.registry_ok)
    yield _gauge(
        "musterd_registry_facts_age_seconds",
        "Since the registry last told what operators say.",
        status.facts_age,
    )
    yield _gauge(
        "musterd_registry_quarantined",
        "Members and lines of history that it could not keep, or that made no sense there.",
        status.quarantined,
    )
    yield _gauge(
        "musterd_coordinators_disagree",
        "Other coordinators that listen and count members otherwise.",
        sum(peer.differs for peer in status.peers),
    )
    yield _gauge("musterd_members_not_seated", "Newcomers that found no room.", status.not_seated)


def _members(groups: Sequence[GroupSummary], status: StatusAnswer) -> Iterator[_Family]:
    yield _gauge("musterd_groups", "Groups.", status.groups)
    yield _Family(
        "musterd_members",
        "gauge",
        "Members by group and state; of very many groups the largest, the others without a name.",
        (
            ({"group": group.group, "state": state.value}, float(group.states.get(state, 0)))
            for group in groups
            for state in State
        ),
    )
    yield _Family(
        "musterd_verdicts",
        "gauge",
        "Members that are up, schedulable or down, as whoever asks is told.",
        (
            ({"group": group.group, "verdict": verdict}, float(count))
            for group in groups
            for verdict, count in group.verdicts.items()
        ),
    )
    yield _Family(
        "musterd_members_marked",
        "gauge",
        "Members that are disabled, forced down, draining, in conflict or failing a check.",
        (
            ({"group": group.group, "mark": mark.value}, float(count))
            for group in groups
            for mark, count in group.marks.items()
        ),
    )


def _shards(shards: Iterable[ShardStatus]) -> Iterator[_Family]:
    of = [({"shard": one.shard}, one) for one in shards]

    def family(name: str, kind: str, means: str, field: str) -> _Family:
        values = [(labels, getattr(one, field)) for labels, one in of]
        known = [(labels, float(value)) for labels, value in values if value is not None]
        return _Family(f"musterd_shard_{name}", kind, means, known)

    yield family("listening", "gauge", "1 if its last sweep was proven.", "listening")
    yield family("staleness_seconds", "gauge", "Age of its newest proven sweep.", "staleness")
    yield family("canary_seconds", "gauge", "Round trip of its last canary.", "canary_seconds")
    yield family("sweep_seconds", "gauge", "Duration of its last sweep.", "sweep_seconds")
    yield family("listening_seconds", "gauge", "Its listening time.", "listening_time")
    yield family("members", "gauge", "Members that have a slot on it.", "members")
    yield family("beats", "gauge", "Beats that its last sweep read.", "beats")
    yield family("sweeps_total", "counter", "Sweeps begun.", "sweeps")
    yield family(
        "unproven_sweeps_total", "counter", "Sweeps that were no evidence.", "unproven_sweeps"
    )


def _rejected(shards: Iterable[ShardStatus]) -> _Family:
    samples = [
        ({"shard": one.shard, "reason": reason}, float(count))
        for one in shards
        for reason, count in sorted(one.rejected.items())
    ]
    return _Family(
        "musterd_rejected_records_total", "counter", "Records that were no valid beat.", samples
    )


def _storms(status: StatusAnswer) -> _Family:
    samples = [
        ({"group": storm.group, "zone": storm.zone}, float(storm.silent)) for storm in status.storms
    ]
    return _Family(
        "musterd_storm_silent_members", "gauge", "Silent members of a mass silence held.", samples
    )


def _callers(gauges: Gauges, readers: int) -> Iterator[_Family]:
    def counted(name: str, means: str, label: str, counts: Mapping[Any, int]) -> _Family:
        samples = [({label: str(key)}, float(count)) for key, count in sorted(counts.items())]
        return _Family(name, "counter", means, samples)

    yield counted(
        "musterd_http_requests_total",
        "Requests answered, by HTTP status.",
        "code",
        gauges.answered,
    )
    yield _gauge("musterd_http_connections", "Callers connected.", len(gauges.door))
    yield counted(
        "musterd_http_connections_refused_total",
        "Connections refused, as there were too many in all or of one address.",
        "full",
        gauges.door.refused,
    )
    yield _Family(
        "musterd_http_idle_closed_total",
        "counter",
        "Idle connections closed to make room for others.",
        [({}, gauges.door.dismissed)],
    )
    yield _gauge("musterd_http_body_bytes", "Bytes of requests being received.", gauges.room.bytes)
    yield _gauge(
        "musterd_http_unsent_bytes",
        "Bytes of large answers that their readers have not taken yet.",
        gauges.room.unsent.taken,
    )
    yield counted(
        "musterd_orders_refused_total",
        "Orders refused, as there were too many or a browser gave them.",
        "reason",
        gauges.refused,
    )
    yield _gauge("musterd_event_readers", "Readers of /v1/events connected.", readers)


def _process(started: float) -> Iterator[_Family]:
    yield _Family(
        "process_cpu_seconds_total", "counter", "CPU time of this process.", [({}, process_time())]
    )
    yield _gauge("process_start_time_seconds", "When it started, Unix time.", started)
    yield _gauge("process_resident_memory_bytes", "Resident memory.", resident_bytes())
    yield _gauge("process_open_fds", "Open files.", open_files())
    yield _gauge("process_max_fds", "Files that may be open.", allowed())


def _held(status: StatusAnswer) -> _Family:
    samples = [({"kind": one.kind, "scope": one.scope}, float(one.members)) for one in status.held]
    return _Family("musterd_held", "gauge", "Members whose verdicts are held back.", samples)


def _lines(family: _Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
    for labels, value in family.samples:
        inner = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        yield (
            f"{family.name}{{{inner}}} {_number(value)}\n"
            if inner
            else (f"{family.name} {_number(value)}\n")
        )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
