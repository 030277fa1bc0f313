"""The module declares the options of agents."""

from musterd.keys import parse_member_keys
from musterd.limits import MAX_INTERVAL, MIN_INTERVAL, MIN_PUSH_TIMEOUT
from musterd.model import check_metadata, check_name, check_text
from musterd.settings.options import FILE, Option, OptionTable, Role, Seconds, Text

_NAME = (
    "a name of letters, digits and _ . : @ + -, at most 255, that begins with a letter, digit or _"
)
_LABEL = "a text of at most 255 characters, none of them a control character"

GROUP = Option(
    "The group that the agent's member joins.",
    Text(_NAME, "NAME", lambda text: check_name("group", text)),
    "compute",
    Role.AGENT,
)

MEMBER = Option(
    "The name of the agent's member in its group. For several members on one host, write"
    " [[member]] tables in the file instead.",
    Text(_NAME, "NAME", lambda text: check_name("member", text)),
    "host-0042",
    Role.AGENT,
    when_unset="the host's name",
)

INTERVAL = Option(
    "Seconds between two beats of a member. While nobody sets it, a service_down_time"
    " under 30 lowers it to a third of that.",
    Seconds(MIN_INTERVAL, MAX_INTERVAL),
    "10",
    Role.AGENT,
)

ZONE = Option(
    "The failure domain that the member is in.",
    Text(_LABEL, "NAME", lambda text: check_text("zone", text)),
    "rack-12",
    Role.AGENT,
    when_unset="none",
)

OWNER = Option(
    "Whom to ask about the member.",
    Text(_LABEL, "NAME", lambda text: check_text("owner", text)),
    "cloud-team",
    Role.AGENT,
    when_unset="none",
)

METADATA = Option(
    "More facts about the member, by name.",
    OptionTable(check_metadata),
    "cpu=epyc",
    Role.AGENT,
    when_unset="none",
    flag_name="meta",
)

PUSH_TIMEOUT = Option(
    "Seconds that one beat may take; less than the interval, so that beats never queue.",
    Seconds(MIN_PUSH_TIMEOUT, MAX_INTERVAL),
    "2",
    Role.AGENT,
    when_unset="0.8 x interval, at most 5",
)

MEMBER_KEY_FILE = Option(
    "A file with the key that `musterd key GROUP MEMBER` prints, by which an agent signs its"
    " member's beats. For several members: a line for each, GROUP/MEMBER and the key.",
    FILE,
    "/etc/musterd/member.key",
    Role.AGENT,
    when_unset="none",
)

MEMBER_KEY = Option(
    "That key itself, for the environment of a unit or a container; best kept out of files"
    " that everybody reads.",
    Text(
        "what `musterd key` prints, or several times GROUP/MEMBER and that",
        "KEY",
        lambda text: parse_member_keys("member_key", text),
    ),
    "mmk_oOkAsQYFCYPKK-uPbfbO5w",
    Role.AGENT,
    when_unset="none",
    private=True,
)

METRICS_FILE = Option(
    "A file that the agent writes its metrics into, every 15 seconds, for the textfile collector of"
    " node_exporter, which reads those that end with .prom, and for `musterd health --agent`.",
    FILE,
    "/run/musterd-agent/musterd.prom",
    Role.AGENT,
    when_unset="none",
)
