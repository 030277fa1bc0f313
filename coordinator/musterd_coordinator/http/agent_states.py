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
                    part.add_metric(labels_of(one), one.verdict.up)
            yield part


def labels_of(one: MemberSummary) -> Sequence[str]:
    """Return the values of :data:`LABELS`."""
    member, facts = one.member, one.facts
    return (
        f"{member.group}/{member.name}",
        member.name,
        member.metadata.get("binary") or _service(member.group),
        "disabled" if facts.disabled else "enabled",
        member.zone,
        facts.disabled_reason,
    )


def _service(group: str) -> str:
    return f"nova-{group}" if group in _TOPICS else group
