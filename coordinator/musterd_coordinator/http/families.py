"""These are the families of samples, named and explained, that a coordinator has for Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import GC_COLLECTOR, PROCESS_COLLECTOR
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from musterd.answers import GroupSummary
from musterd.model import State
from musterd.status import ShardStatus, StatusAnswer
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.histograms import histograms

GROUPS_AT_ONCE = 20
"""Groups in one part of a family, of which a hundred samples are made at once."""

Labels = Sequence[str]
Sample = tuple[Labels, float]
"""The values of its labels, and its own."""


def families(
    status: StatusAnswer,
    groups: Sequence[GroupSummary],
    gauges: HttpGauges,
    readers: int,
    members: Iterable[Metric] = (),
    counted: Iterable[Metric] = (),
) -> Iterator[Metric]:
    """Yield all families; one of many samples comes in parts, one after the other.

    ``members`` are the parts of one that has a sample for each member, and ``counted`` are those of
    what the coordinator did.
    """
    yield from _coordinator(status)
    yield from _members(groups, status)
    yield from members
    yield from _shards(status.shards)
    yield _rejected(status.shards)
    yield _storms(status)
    yield _held(status)
    yield from counted
    yield from _callers(gauges, readers)
    for collector in (PROCESS_COLLECTOR, GC_COLLECTOR):
        yield from collector.collect()


def _gauge(name: str, means: str, value: float | None) -> Metric:
    return GaugeMetricFamily(name, means, value)


def _gauges(name: str, means: str, labels: Labels, samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(name, means, labels=labels)
    for sample in samples:
        family.add_metric(*sample)
    return family


def _counters(name: str, means: str, labels: Labels, samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(name, means, labels=labels)
    for sample in samples:
        family.add_metric(*sample)
    return family


def _coordinator(status: StatusAnswer) -> Iterator[Metric]:
    labels, build = ("version", "coordinator"), (status.musterd, status.coordinator)
    yield _gauges("musterd_build_info", "This coordinator; always 1.", labels, [(build, 1)])
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


def _members(groups: Sequence[GroupSummary], status: StatusAnswer) -> Iterator[Metric]:
    yield _gauge("musterd_groups", "Groups.", status.groups)
    yield from _by_group(
        "musterd_members",
        "Members by group and state; of very many groups the largest, the others without a name.",
        "state",
        groups,
        lambda group: {state: group.states.get(state, 0) for state in State},
    )
    yield from _by_group(
        "musterd_verdicts",
        "Members that are up, schedulable or down, as whoever asks is told.",
        "verdict",
        groups,
        lambda group: group.verdicts,
    )
    yield from _by_group(
        "musterd_members_marked",
        "Members that are disabled, forced down, draining, in conflict or failing a check.",
        "mark",
        groups,
        lambda group: group.marks,
    )


def _by_group(
    name: str,
    means: str,
    label: str,
    groups: Sequence[GroupSummary],
    counts: Callable[[GroupSummary], Mapping[Any, int]],
) -> Iterator[Metric]:
    for at in range(0, max(1, len(groups)), GROUPS_AT_ONCE):
        samples = (
            ((group.group, str(key)), count)
            for group in groups[at : at + GROUPS_AT_ONCE]
            for key, count in counts(group).items()
        )
        yield _gauges(name, means, ("group", label), samples)


def _shards(shards: Sequence[ShardStatus]) -> Iterator[Metric]:
    def samples(field: str) -> Iterator[Sample]:
        values = (((one.shard,), getattr(one, field)) for one in shards)
        return ((labels, value) for labels, value in values if value is not None)

    for name, means, field in _SHARD_GAUGES:
        yield _gauges(f"musterd_shard_{name}", means, ("shard",), samples(field))
    for name, means, field in _SHARD_COUNTERS:
        yield _counters(f"musterd_shard_{name}", means, ("shard",), samples(field))


_SHARD_GAUGES = (
    ("listening", "1 if its last sweep was proven.", "listening"),
    ("staleness_seconds", "Age of its newest proven sweep.", "staleness"),
    ("canary_seconds", "Round trip of its last canary.", "canary_seconds"),
    ("sweep_seconds", "Duration of its last sweep.", "sweep_seconds"),
    ("listening_seconds", "Its listening time.", "listening_time"),
    ("members", "Members that have a slot on it.", "members"),
    ("beats", "Beats that its last sweep read.", "beats"),
    ("members_with_old_key", "Members that signed with the key before.", "with_old_key"),
    ("members_beating_unsigned", "Members that beat without a signature.", "beating_unsigned"),
)
_SHARD_COUNTERS = (
    ("sweeps_total", "Sweeps begun.", "sweeps"),
    ("unproven_sweeps_total", "Sweeps that were no evidence.", "unproven_sweeps"),
    (
        "challenges_put_back_total",
        "Times that the challenge which agents sign was overwritten.",
        "challenges_put_back",
    ),
)


def _rejected(shards: Iterable[ShardStatus]) -> Metric:
    samples = [
        ((one.shard, reason), count)
        for one in shards
        for reason, count in sorted(one.rejected.items())
    ]
    means = "Records that were no valid beat."
    return _counters("musterd_rejected_records_total", means, ("shard", "reason"), samples)


def _storms(status: StatusAnswer) -> Metric:
    samples = [((storm.group, storm.zone), storm.silent) for storm in status.storms]
    means = "Silent members of a mass silence held."
    return _gauges("musterd_storm_silent_members", means, ("group", "zone"), samples)


def _held(status: StatusAnswer) -> Metric:
    samples = [((one.kind, one.scope), one.members) for one in status.held]
    means = "Members whose verdicts are held back."
    return _gauges("musterd_held", means, ("kind", "scope"), samples)


def _callers(gauges: HttpGauges, readers: int) -> Iterator[Metric]:
    def counted(name: str, means: str, label: str, counts: Mapping[Any, int]) -> Metric:
        samples = [((str(key),), count) for key, count in sorted(counts.items())]
        return _counters(name, means, (label,), samples)

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
    yield CounterMetricFamily(
        "musterd_http_idle_closed_total",
        "Idle connections closed to make room for others.",
        gauges.door.dismissed,
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
    yield counted(
        "musterd_requests_refused_total",
        "Requests refused, as they came without a token that may do that.",
        "reason",
        gauges.requests_refused,
    )
    yield _gauge("musterd_event_readers", "Readers of /v1/events connected.", readers)
    yield CounterMetricFamily(
        "musterd_event_snapshots_total",
        "Times that a reader was told of everything.",
        gauges.snapshots,
    )
    yield CounterMetricFamily(
        "musterd_event_bytes_total", "Bytes of events sent, as they were sent.", gauges.streamed
    )
    yield from histograms(
        "musterd_http_request_duration_seconds",
        "From a request until its answer begins, by method and path as documented.",
        ("method", "route"),
        gauges.routes,
    )
    yield from histograms(
        "musterd_event_loop_lag_seconds",
        "How late the event loop woke: so long others wait for whatever it does.",
        (),
        {(): gauges.loop},
    )
