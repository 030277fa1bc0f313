"""The module declares the options of the door at which Nova's own driver asks who is up."""

from collections.abc import Mapping

from musterd.errors import ConfigError
from musterd.model import check_name
from musterd.settings.options import FILE, Number, Option, Role, Switch, Text, check_address

LISTEN = "127.0.0.1:11511"
"""Where ``musterd nova`` listens while nobody says where."""

NOVA_LISTEN = Option(
    "Where a stock Nova with servicegroup_driver = mc asks who is up: as a memcached, which its"
    " [cache] memcache_servers names. `musterd nova` listens on 127.0.0.1:11511 while nobody sets it;"
    " a coordinator only where it is set.",
    Text("host:port, or [address]:port for IPv6", "HOST:PORT", check_address),
    "127.0.0.1:11511",
    Role.DOOR,
    when_unset="127.0.0.1:11511 for `musterd nova`; none for a coordinator",
)


def topics_of(text: str) -> Mapping[str, str]:
    """Return Nova's topic by group, of ``compute`` or ``hosts=compute,conductor``.

    Raises ConfigError.
    """
    topics = {}
    for part in filter(None, map(str.strip, text.split(","))):
        group, _, topic = part.partition("=")
        topics[check_name("group", group)] = check_name("topic", topic or group)
    if not topics:
        raise ConfigError("it names no group")
    return topics


NOVA_GROUPS = Option(
    "The groups whose members are Nova's services, with commas between: GROUP=TOPIC, or a group that"
    " is called as the topic. A member has the name that Nova's option host gives its service.",
    Text("names of groups with commas between, or GROUP=TOPIC", "NAMES", topics_of),
    "compute,controllers=conductor",
    Role.DOOR,
)


def groups_of(text: str) -> list[str]:
    """Return the groups in ``text``, which has commas between; raise ConfigError."""
    return [check_name("group", part.strip()) for part in text.split(",") if part.strip()]


NOVA_BEAT_FOR = Option(
    "Groups of nova_groups for whose services on this host the door beats in the store, when they write"
    " of themselves: schedulers and conductors. Then all doors know them, and coordinators judge them.",
    Text("names of groups with commas between", "NAMES", groups_of),
    "conductor,scheduler",
    Role.DOOR,
    when_unset="none",
)

NOVA_TLS = Option(
    "Speak TLS there, with tls_cert_file, and nothing else. On the host itself it is best left off:"
    " connections by TLS end when the door starts again.",
    Switch(),
    "true",
    Role.DOOR,
    when_unset="false",
)

NOVA_CACHE = Option(
    "Megabytes for whatever else Nova keeps in the same [cache]; the least used goes first.",
    Number(1, 1_000_000, "megabytes", "MB"),
    "256",
    Role.DOOR,
)

NOVA_VIEW = Option(
    "The file in which `musterd nova` keeps its last view, to answer by it at once when it starts again.",
    FILE,
    "/var/lib/musterd-nova/view",
    Role.NOVA,
    when_unset="musterd-nova.view in the folder that it runs in",
)
