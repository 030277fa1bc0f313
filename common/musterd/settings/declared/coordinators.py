"""The module declares the options of coordinators."""

from musterd.limits import MAX_INTERVAL
from musterd.settings.options import (
    DAY,
    Number,
    Option,
    Role,
    Seconds,
    Switch,
    Text,
    check_folder,
    check_hosts,
    check_listen,
    check_registry,
    check_watch,
)

LISTEN = Option(
    "Where the coordinator answers HTTP. With commas between also Unix sockets for tools of its"
    " host: unix:/run/musterd/api.sock, which users of the socket's group may ask, and are known"
    " by their names.",
    Text(
        "host:port, [address]:port for IPv6, or unix:/path, with commas between",
        "HOST:PORT",
        check_listen,
    ),
    "0.0.0.0:8420",
    Role.COORDINATOR,
)

ALLOWED_HOSTS = Option(
    "More names by which the coordinator may be asked over HTTP, with commas between, such as"
    " that of a proxy before it; * allows any. It always answers to addresses, localhost, the"
    " names of its host and that in listen; others are refused, since a web page can make a"
    " name of its own mean this address.",
    Text("names of hosts with commas between, or *", "NAMES", check_hosts),
    "fleet.example.org,musterd.example.org",
    Role.COORDINATOR,
    when_unset="none",
)

ANONYMOUS_READ = Option(
    "Whether questions are answered without a token, where there are tokens: to whoever reaches"
    " the coordinator. Orders take one all the same.",
    Switch(),
    "true",
    Role.COORDINATOR,
    when_unset="false",
)

CONNECTIONS_PER_ADDRESS = Option(
    "HTTP connections that one address may have, loopback too. Raise it where all callers"
    " come through one proxy.",
    Number(1, 1_000_000),
    "2000",
    Role.COORDINATOR,
    when_unset="a quarter of all, which are 4096, or half of the open files allowed if those"
    " are fewer",
)

WATCH = Option(
    "Nova's databases to watch beside the store that agents beat to: nova+mysql://user@host/nova_api or"
    " nova+postgresql://… (docs/watching.md). Who has no agents names them as the store instead.",
    Text(
        "the URL of Nova's databases, as in nova+mysql://musterd@db1/nova_api", "URL", check_watch
    ),
    "nova+mysql://musterd@db1/nova_api",
    Role.COORDINATOR,
    when_unset="none",
    secret=True,
)

REGISTRY = Option(
    "Where facts that must survive are kept: sqlite:///relative.db,"
    " sqlite:////absolute.db, postgresql://… or mysql://… (MariaDB).",
    Text("sqlite:///FILE, postgresql://… or mysql://…", "URL", check_registry),
    "sqlite:////var/lib/musterd/musterd.db",
    Role.COORDINATOR,
    when_unset="the store's URL when it is PostgreSQL or MariaDB, else sqlite:///musterd.db",
    secret=True,
)

SWEEP_PERIOD = Option(
    "Seconds from the start of one sweep to the start of the next.",
    Seconds(0.05, MAX_INTERVAL),
    "1",
    Role.COORDINATOR,
)

SWEEP_TIMEOUT = Option(
    "Seconds that one sweep of a shard may take before it counts as failed.",
    Seconds(0.05, MAX_INTERVAL),
    "5",
    Role.COORDINATOR,
    when_unset="half of service_down_time, at most 10",
)

STORM_MIN = Option(
    "Fewer members than this that fall silent together are never held back as a mass"
    " silence; 0 turns holding back off.",
    Number(0, 10_000_000),
    "5",
    Role.COORDINATOR,
)

STORM_FRACTION = Option(
    "The share of a zone's living members that must fall silent within one"
    " service_down_time to be held back as a mass silence.",
    Number(0.001, 1.0, metavar="F"),
    "0.5",
    Role.COORDINATOR,
    when_unset="one third",
)

STORM_HOLD = Option(
    "Seconds of listening that members of a mass silence stay suspect before they are down.",
    Seconds(0.1, 7 * DAY),
    "300",
    Role.COORDINATOR,
    when_unset="2 x service_down_time",
)

HISTORY_DAYS = Option(
    "Days for which state changes are kept.",
    Number(1, 36500, "days", "D"),
    "90",
    Role.COORDINATOR,
)

FORGET_LEFT = Option(
    "Seconds after which a member whose agent said goodbye is forgotten, unless an operator"
    " said something of it. For fleets whose names are short-lived.",
    Seconds(1, 3650 * DAY),
    "86400",
    Role.COORDINATOR,
    when_unset="never",
)

MEMBERS_LIMIT = Option(
    "The most members that a coordinator takes in. Beyond it newcomers wait, and those it"
    " has go on.",
    Number(1, 10_000_000),
    "50000",
    Role.COORDINATOR,
)

TRACE_DIR = Option(
    "The folder of a trace: what each sweep brought and what was made of it, and what Nova's own rule says"
    " beside it, for `musterd report` (docs/trace.md). It is made, for its owner alone. Coordinators have one"
    " each.",
    Text("the path of a folder", "DIR", check_folder),
    "/var/lib/musterd/trace",
    Role.COORDINATOR,
    when_unset="none, and no trace is kept",
)

TRACE_MAX_MB = Option(
    "The most that a trace takes on the disk; its oldest files go first.",
    Number(1, 1_000_000, "megabytes", "MB"),
    "1000",
    Role.COORDINATOR,
)

TRACE_ANONYMOUS = Option(
    "Whether a trace has numbers in place of the names of members, zones and shards, so that it can be"
    " shown to others.",
    Switch(),
    "true",
    Role.COORDINATOR,
    when_unset="false",
)
