"""The module declares the options of what a coordinator answers tools of OpenStack."""

from musterd.model import check_name
from musterd.settings.options import Option, Role, Text

CONSUL_GROUP = Option(
    "The group that GET /v1/agent/members tells of, to whom asks as one asks an agent of Consul:"
    " Masakari's host monitor.",
    Text("the name of a group", "NAME", lambda text: check_name("group", text)),
    "host",
    Role.COORDINATOR,
)


def check_groups(text: str) -> str:
    """Return ``text`` itself if it is names of groups with commas between, or nothing; else raise."""
    for name in group_names(text):
        check_name("group", name)
    return text


def group_names(text: str) -> list[str]:
    """Return the names of groups in ``text``, which has commas between."""
    return [name.strip() for name in text.split(",")] if text else []


AGENT_STATE_GROUPS = Option(
    "The groups of whose members /metrics has openstack_nova_agent_state, as openstack-exporter has it"
    " of Nova's services, for alert rules and dashboards that know it: one sample for each member.",
    Text("names of groups with commas between", "NAMES", check_groups),
    "compute,conductor",
    Role.COORDINATOR,
    when_unset="none",
)
