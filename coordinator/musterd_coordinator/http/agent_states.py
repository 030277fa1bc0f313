"""Alert rules and dashboards for OpenStack find the metric that they know: one sample for each member.

It is that of openstack-exporter, which asks Nova's API: the same labels, and 1 where Nova says ``up``.
"""

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from musterd.model import State
from musterd_coordinator.service.contract import CoordinatorApi, MemberSummary

NAME = "openstack_nova_agent_state"
LABELS = ("id", "hostname", "service", "adminState", "zone", "disabledReason")

_MEANS = "1 if the service is up, as openstack-exporter tells it of Nova; by musterd's verdict."
_TOPICS = ("compute", "conductor", "scheduler")  # of Nova's services, whose binaries are nova-TOPIC


def agent_states(desk: CoordinatorApi, groups: Sequence[str]) -> Iterator[Metric]:
    """Yield the family in parts, for all members of ``groups`` of whom something is known."""
    for group in groups:
        for summaries in desk.summaries(group):
            part = GaugeMetricFamily(NAME, _MEANS, labels=LABELS)
            for one in summaries:
                if one.verdict.state is not State.UNKNOWN:
                    part.add_metric(labels_of(group, one), one.verdict.up)
            yield part


def labels_of(group: str, one: MemberSummary) -> Sequence[str]:
    """Return the values of :data:`LABELS`."""
    return (
        f"{group}/{one.member}",
        one.member,
        f"nova-{group}" if group in _TOPICS else group,
        "disabled" if one.facts.disabled else "enabled",
        one.zone,
        one.facts.disabled_reason,
    )
