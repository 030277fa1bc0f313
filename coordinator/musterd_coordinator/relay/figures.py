"""What a relay says of itself to Prometheus."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from musterd.about import version
from musterd.exposition import MetricFamily, Series, text_of
from musterd_coordinator.histogram import Histogram
from musterd_coordinator.relay.gauges import RelayGauges
from musterd_coordinator.relay.reception import Inbox

if TYPE_CHECKING:
    from musterd_coordinator.relay.service import RelayService


def page_of(relay: "RelayService") -> str:
    """Return the page that Prometheus reads."""
    return text_of(relay_families(relay.gauges, relay.reception, relay.server.connections))


def relay_families(gauges: RelayGauges, inbox: Inbox, connections: int) -> Iterator[MetricFamily]:
    """Yield all families."""
    yield _one("build_info", "This relay; always 1.", {"version": version()}, 1)
    yield _one("connections", "Agents connected.", {}, connections)
    yield _one("members", "Members that beat here, or did of late.", {}, len(inbox.seats))
    waiting = {"beats": inbox.known.count, "newcomers": len(inbox.new)}
    yield _by_kind("waiting", "gauge", "Beats that wait for the database.", waiting)
    paths = {"beats": gauges.beats, "newcomers": gauges.newcomers}
    refused = {kind: path.refused for kind, path in paths.items()}
    means = "Beats refused, as the database did not take them."
    yield _by_kind("refused_total", "counter", means, refused)
    reached = {kind: not path.reason for kind, path in paths.items()}
    yield _by_kind("store_ok", "gauge", "1 if the database takes them.", reached)
    for name, means, count in (
        ("batches_total", "Writes of beats that were committed.", gauges.batches),
        ("beats_stored_total", "Beats that were committed.", gauges.stored),
        ("beats_lost_total", "Beats of members that the database did not know.", gauges.lost),
        ("beats_unsigned_total", "Beats not signed with their members' keys.", gauges.unsigned),
    ):
        yield _one(name, means, {}, count, "counter")
    yield _histogram("write_seconds", "Durations of these writes.", gauges.writes)
    yield _histogram("event_loop_lag_seconds", "How late the event loop woke.", gauges.loop)


def _one(
    name: str, means: str, labels: Mapping[str, str], value: float, kind: str = "gauge"
) -> MetricFamily:
    return MetricFamily(f"musterd_relay_{name}", kind, means, (Series(labels, value),))


def _by_kind(name: str, kind: str, means: str, told: Mapping[str, float]) -> MetricFamily:
    series = [Series({"kind": which}, value) for which, value in told.items()]
    return MetricFamily(f"musterd_relay_{name}", kind, means, series)


def _histogram(name: str, means: str, one: Histogram) -> MetricFamily:
    bounds = [*(f"{bound:g}" for bound in one.bounds), "+Inf"]
    counts = [*accumulate(one.counts)]
    series = [
        Series({"le": bound}, count, "_bucket") for bound, count in zip(bounds, counts, strict=True)
    ]
    series += [Series({}, one.sum, "_sum"), Series({}, counts[-1], "_count")]
    return MetricFamily(f"musterd_relay_{name}", "histogram", means, series)
