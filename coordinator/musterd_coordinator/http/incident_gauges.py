"""The incidents that go on are counted for Prometheus, by kind."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from musterd.incidents import Incident, IncidentKind

OF_MEMBERS = (
    *(IncidentKind.UNHEARD, IncidentKind.MASS_SILENCE, IncidentKind.DEATHS),
    *(IncidentKind.CONFLICT, IncidentKind.FAILING_CHECKS, IncidentKind.FORCED_DOWN),
)
"""Kinds by which each member is counted once at most."""


def incident_families(incidents: Iterable[Incident]) -> Iterator[Metric]:
    """Yield how many there are, and of how many members, with a zero for each kind that there is none of."""
    numbers, members = Counter[IncidentKind](), Counter[IncidentKind]()
    for one in incidents:
        numbers[one.kind] += one.zones or len(one.parts) or 1
        members[one.kind] += one.count
    yield _family(
        "musterd_incidents",
        "What needs attention, by kind; many that are told as one are counted one by one.",
        {kind: numbers[kind] for kind in IncidentKind},
    )
    yield _family(
        "musterd_incident_members",
        "Members that these concern: each is counted by one kind at most.",
        {kind: members[kind] for kind in OF_MEMBERS},
    )


def _family(name: str, means: str, counts: dict[IncidentKind, int]) -> Metric:
    family = GaugeMetricFamily(name, means, labels=("kind",))
    for kind, count in counts.items():
        family.add_metric((kind,), count)
    return family
