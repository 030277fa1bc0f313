"""Prometheus text (exposition format 0.0.4)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from musterd.model import GroupList, ShardStatus, State, StatusAnswer

Sample = tuple[Mapping[str, str], float]


class _Family(NamedTuple):
    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


def render(
    status: StatusAnswer, groups: GroupList, *, requests: Mapping[int, int], readers: int
) -> bytes:
    """The whole page. ``requests`` counts answers by HTTP status."""
    families = (
        *_coordinator(status),
        *_members(groups),
        *_shards(status.shards),
        _rejected(status.shards),
        _storms(status),
        _Family(
            "musterd_http_requests_total",
            "counter",
            "Requests answered, by HTTP status.",
            [({"code": str(code)}, count) for code, count in sorted(requests.items())],
        ),
        _gauge("musterd_event_readers", "Readers of /v1/events connected.", readers),
    )
    return "".join(line for family in families for line in _lines(family)).encode()


def _gauge(name: str, means: str, value: float | None) -> _Family:
    return _Family(name, "gauge", means, [] if value is None else [({}, value)])


def _coordinator(status: StatusAnswer) -> Iterator[_Family]:
    build = {"version": status.musterd, "coordinator": status.coordinator}
    yield _Family("musterd_build_info", "gauge", "This coordinator; always 1.", [(build, 1)])
    yield _gauge(
        "musterd_start_time_seconds", "When it started, Unix time.", status.started.timestamp()
    )
    yield _gauge("musterd_ready", "1 if it has listened long enough to answer.", status.ready)
    yield _gauge("musterd_listening", "1 if the last sweeps were proven.", status.listening)
    yield _gauge(
        "musterd_staleness_seconds",
        "Age of the newest proven sweep of the slowest shard.",
        status.staleness,
    )
    yield _gauge("musterd_roll_version", "Version of the roll.", status.version)
    yield _gauge(
        "musterd_service_down_time_seconds",
        "Listening time without a beat that makes a member silent.",
        status.service_down_time,
    )
    yield _gauge("musterd_sweep_period_seconds", "Time between sweeps.", status.sweep_period)
    yield _gauge(
        "musterd_registry_unsaved",
        "Members and lines of history that the registry does not have yet.",
        status.unsaved,
    )


def _members(groups: GroupList) -> Iterator[_Family]:
    samples = [
        ({"group": group.group, "state": state.value}, float(group.states.get(state, 0)))
        for group in groups.groups
        for state in State
    ]
    yield _Family("musterd_members", "gauge", "Members by group and state.", samples)
    yield _Family(
        "musterd_verdicts",
        "gauge",
        "Members that are up, schedulable or down, as whoever asks is told.",
        [
            ({"group": group.group, "verdict": verdict}, float(count))
            for group in groups.groups
            for verdict, count in group.verdicts.items()
        ],
    )
    yield _Family(
        "musterd_members_marked",
        "gauge",
        "Members that are disabled, forced down, draining, in conflict or failing a check.",
        [
            ({"group": group.group, "mark": mark.value}, float(count))
            for group in groups.groups
            for mark, count in group.marks.items()
        ],
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
