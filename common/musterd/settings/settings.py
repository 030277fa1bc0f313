"""The module has one frozen Settings for everybody, and the declaration of every option."""

import socket
from collections.abc import Mapping
from typing import Annotated, get_args, get_type_hints

import msgspec

from musterd.keys import parse_member_keys
from musterd.limits import (
    MAX_INTERVAL,
    MIN_INTERVAL,
    MIN_PUSH_TIMEOUT,
    PUSH_SHARE,
    USUAL_PUSH_TIMEOUT,
)
from musterd.model import Member, check_member, check_metadata, check_name, check_text
from musterd.settings.options import (
    Choice,
    Number,
    Option,
    OptionTable,
    Role,
    Seconds,
    Switch,
    Text,
    check_address,
    check_hosts,
    check_listen,
    check_namespace,
    check_path,
    check_registry,
    check_store,
    check_web_urls,
)
from musterd.tokens import check_token
from musterd.urls import host_and_port, listen_parts, socket_path, without_secret

DAY = 86400.0
SIGNATURES = ("off", "accept", "require")

_NAME = (
    "a name of letters, digits and _ . : @ + -, at most 255, that begins with a letter, digit or _"
)
_LABEL = "a text of at most 255 characters, none of them a control character"

_group = Text(_NAME, "NAME", lambda text: check_name("group", text))
_member = Text(_NAME, "NAME", lambda text: check_name("member", text))
_namespace = Text("1 to 32 letters, digits and _ . -", "NAME", check_namespace)
_zone = Text(_LABEL, "NAME", lambda text: check_text("zone", text))
_owner = Text(_LABEL, "NAME", lambda text: check_text("owner", text))
_interval = Seconds(MIN_INTERVAL, MAX_INTERVAL)
_file = Text("the path of a file", "FILE", check_path)
_keys = Text(
    "what `musterd key` prints, or several times GROUP/MEMBER and that",
    "KEY",
    lambda text: parse_member_keys("member_key", text),
)


class MemberSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A ``MemberSettings`` is one member that an agent beats for.

    It is complete: nothing is left to a default. ``interval`` is the seconds between its beats.
    """

    group: str
    member: str
    interval: float
    zone: str = ""
    owner: str = ""
    metadata: Mapping[str, str] = {}

    def announced(self) -> Member:
        """Return the member as its agent announces it; raise ConfigError for an unusable name."""
        return check_member(Member(self.group, self.member, self.zone, self.owner, self.metadata))


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``Settings`` are everything that can be configured; all durations are float seconds.

    None means "derived": the property or method named ``effective_…`` says from what.
    """

    store: Annotated[
        str,
        Option(
            "Where beats go: memcached://h1:11211,h2:11211?replicas=2,"
            " postgresql://user@host:5432/db, relay://r1:11411,r2:11411 (agents only: relays that"
            " write to PostgreSQL), embedded://host:port (the coordinator itself listens there) or"
            " memory: (one process only). memcached+tls://, relay+tls:// and embedded+tls:// are the"
            " same by TLS; memcached://user:password@h1 logs in.",
            Text(
                "the URL of a store, as in memcached://mc1:11211",
                "URL",
                check_store,
            ),
            "memcached://mc1:11211,mc2:11211",
            secret=True,
        ),
    ] = "embedded://127.0.0.1:11311"
    namespace: Annotated[
        str,
        Option(
            "Keeps fleets that share a store apart; agents and coordinators must agree on it.",
            _namespace,
            "lab",
        ),
    ] = "musterd"
    service_down_time: Annotated[
        float,
        Option(
            "Seconds without a new beat, counted only while the store could carry one, after which"
            " a member is down.",
            Seconds(0.1, DAY),
            "60",
        ),
    ] = 60.0
    log_level: Annotated[
        str,
        Option(
            "The least important log lines that are written.",
            Choice("debug", "info", "warning", "error"),
            "warning",
        ),
    ] = "info"
    log_format: Annotated[
        str | None,
        Option(
            "How log lines look.",
            Choice("console", "json"),
            "json",
            when_unset="console on a terminal, json otherwise",
        ),
    ] = None
    fleet_key_file: Annotated[
        str | None,
        Option(
            "The file with the fleet key, as `musterd keygen` makes it: for coordinators and relays,"
            " which check by it whose beat it is, and for agents of a fleet that is small enough to"
            " give it to every host.",
            _file,
            "/etc/musterd/fleet.key",
            when_unset="none",
            flag_name="fleet-key",
        ),
    ] = None
    signatures: Annotated[
        str | None,
        Option(
            "What coordinators and relays make of beats and announcements without a signature: off"
            " looks at none, accept checks those that there are, and require believes no others.",
            Choice(*SIGNATURES),
            "accept",
            when_unset="require where there is a fleet_key_file, else off",
        ),
    ] = None
    ca_file: Annotated[
        str | None,
        Option(
            "The authorities that must have signed the certificates of servers reached by TLS, in PEM.",
            _file,
            "/etc/musterd/ca.crt",
            Role.CONNECTION,
            when_unset="those that the system trusts",
        ),
    ] = None
    cert_file: Annotated[
        str | None,
        Option(
            "The certificate to show to servers reached by TLS that ask for one, in PEM, with those"
            " between it and its authority behind it.",
            _file,
            "/etc/musterd/client.crt",
            Role.CONNECTION,
            when_unset="none",
        ),
    ] = None
    key_file: Annotated[
        str | None,
        Option(
            "The private key of cert_file, in PEM, without a passphrase.",
            _file,
            "/etc/musterd/client.key",
            Role.CONNECTION,
            when_unset="in cert_file",
        ),
    ] = None

    group: Annotated[
        str, Option("The group that the agent's member joins.", _group, "compute", Role.AGENT)
    ] = "compute"
    member: Annotated[
        str,
        Option(
            "The name of the agent's member in its group. For several members on one host, write"
            " [[member]] tables in the file instead.",
            _member,
            "host-0042",
            Role.AGENT,
            when_unset="the host's name",
        ),
    ] = msgspec.field(default_factory=socket.gethostname)
    interval: Annotated[
        float,
        Option(
            "Seconds between two beats of a member. While nobody sets it, a service_down_time"
            " under 30 lowers it to a third of that.",
            _interval,
            "10",
            Role.AGENT,
        ),
    ] = 10.0
    zone: Annotated[
        str,
        Option(
            "The failure domain that the member is in.",
            _zone,
            "rack-12",
            Role.AGENT,
            when_unset="none",
        ),
    ] = ""
    owner: Annotated[
        str,
        Option(
            "Whom to ask about the member.",
            _owner,
            "cloud-team",
            Role.AGENT,
            when_unset="none",
        ),
    ] = ""
    metadata: Annotated[
        Mapping[str, str],
        Option(
            "More facts about the member, by name.",
            OptionTable(check_metadata),
            "cpu=epyc",
            Role.AGENT,
            when_unset="none",
            flag_name="meta",
        ),
    ] = {}
    push_timeout: Annotated[
        float | None,
        Option(
            "Seconds that one beat may take; less than the interval, so that beats never queue.",
            Seconds(MIN_PUSH_TIMEOUT, MAX_INTERVAL),
            "2",
            Role.AGENT,
            when_unset="0.8 x interval, at most 5",
        ),
    ] = None
    member_key_file: Annotated[
        str | None,
        Option(
            "A file with the key that `musterd key GROUP MEMBER` prints, by which an agent signs its"
            " member's beats. For several members: a line for each, GROUP/MEMBER and the key.",
            _file,
            "/etc/musterd/member.key",
            Role.AGENT,
            when_unset="none",
        ),
    ] = None
    member_key: Annotated[
        str | None,
        Option(
            "That key itself, for the environment of a unit or a container; best kept out of files"
            " that everybody reads.",
            _keys,
            "mmk_oOkAsQYFCYPKK-uPbfbO5w",
            Role.AGENT,
            when_unset="none",
            private=True,
        ),
    ] = None
    listed: tuple[MemberSettings, ...] = ()  # from [[member]] tables, or empty

    listen: Annotated[
        str,
        Option(
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
        ),
    ] = "127.0.0.1:8420"
    allowed_hosts: Annotated[
        str,
        Option(
            "More names by which the coordinator may be asked over HTTP, with commas between, such as"
            " that of a proxy before it; * allows any. It always answers to addresses, localhost, the"
            " names of its host and that in listen; others are refused, since a web page can make a"
            " name of its own mean this address.",
            Text("names of hosts with commas between, or *", "NAMES", check_hosts),
            "fleet.example.org,musterd.example.org",
            Role.COORDINATOR,
            when_unset="none",
        ),
    ] = ""
    anonymous_read: Annotated[
        bool,
        Option(
            "Whether questions are answered without a token, where there are tokens: to whoever reaches"
            " the coordinator. Orders take one all the same.",
            Switch(),
            "true",
            Role.COORDINATOR,
            when_unset="false",
        ),
    ] = False
    connections_per_address: Annotated[
        int | None,
        Option(
            "HTTP connections that one address may have, loopback too. Raise it where all callers"
            " come through one proxy.",
            Number(1, 1_000_000),
            "2000",
            Role.COORDINATOR,
            when_unset="a quarter of all, which are 4096, or half of the open files allowed if those"
            " are fewer",
        ),
    ] = None
    registry: Annotated[
        str | None,
        Option(
            "Where facts that must survive are kept: sqlite:///relative.db,"
            " sqlite:////absolute.db or postgresql://…",
            Text("sqlite:///FILE or postgresql://…", "URL", check_registry),
            "sqlite:////var/lib/musterd/musterd.db",
            Role.COORDINATOR,
            when_unset="the store's URL when it is PostgreSQL, else sqlite:///musterd.db",
            secret=True,
        ),
    ] = None
    sweep_period: Annotated[
        float,
        Option(
            "Seconds from the start of one sweep to the start of the next.",
            Seconds(0.05, MAX_INTERVAL),
            "1",
            Role.COORDINATOR,
        ),
    ] = 1.0
    sweep_timeout: Annotated[
        float | None,
        Option(
            "Seconds that one sweep of a shard may take before it counts as failed.",
            Seconds(0.05, MAX_INTERVAL),
            "5",
            Role.COORDINATOR,
            when_unset="half of service_down_time, at most 10",
        ),
    ] = None
    storm_min: Annotated[
        int,
        Option(
            "Fewer members than this that fall silent together are never held back as a mass"
            " silence; 0 turns holding back off.",
            Number(0, 10_000_000),
            "5",
            Role.COORDINATOR,
        ),
    ] = 5
    storm_fraction: Annotated[
        float,
        Option(
            "The share of a zone's living members that must fall silent within one"
            " service_down_time to be held back as a mass silence.",
            Number(0.001, 1.0, metavar="F"),
            "0.5",
            Role.COORDINATOR,
            when_unset="one third",
        ),
    ] = 1 / 3
    storm_hold: Annotated[
        float | None,
        Option(
            "Seconds of listening that members of a mass silence stay suspect before they are"
            " down.",
            Seconds(0.1, 7 * DAY),
            "300",
            Role.COORDINATOR,
            when_unset="2 x service_down_time",
        ),
    ] = None
    history_days: Annotated[
        int,
        Option(
            "Days for which state changes are kept.",
            Number(1, 36500, "days", "D"),
            "90",
            Role.COORDINATOR,
        ),
    ] = 30
    forget_left: Annotated[
        float | None,
        Option(
            "Seconds after which a member whose agent said goodbye is forgotten, unless an operator"
            " said something of it. For fleets whose names are short-lived.",
            Seconds(1, 3650 * DAY),
            "86400",
            Role.COORDINATOR,
            when_unset="never",
        ),
    ] = None

    members_limit: Annotated[
        int,
        Option(
            "The most members that a coordinator takes in. Beyond it newcomers wait, and those it"
            " has go on.",
            Number(1, 10_000_000),
            "50000",
            Role.COORDINATOR,
        ),
    ] = 2_000_000

    tls_cert_file: Annotated[
        str | None,
        Option(
            "The certificate by which the coordinator's API and the relay speak TLS, and nothing else;"
            " and the embedded store where that is embedded+tls://. In PEM, with those between it and"
            " its authority behind it. A renewed one is taken as it comes.",
            _file,
            "/etc/musterd/tls.crt",
            Role.LISTENER,
            when_unset="none: no TLS",
        ),
    ] = None
    tls_key_file: Annotated[
        str | None,
        Option(
            "The private key of tls_cert_file, in PEM, without a passphrase.",
            _file,
            "/etc/musterd/tls.key",
            Role.LISTENER,
            when_unset="in tls_cert_file",
        ),
    ] = None
    tls_client_ca_file: Annotated[
        str | None,
        Option(
            "The authorities of clients, in PEM: who connects by TLS must then show a certificate that"
            " one of them signed.",
            _file,
            "/etc/musterd/clients.crt",
            Role.LISTENER,
            when_unset="none: clients show no certificate",
        ),
    ] = None
    insecure_listen: Annotated[
        bool,
        Option(
            "Listen on addresses that other hosts reach without TLS, or without anything that says who"
            " calls. Each start warns of it.",
            Switch(),
            "true",
            Role.LISTENER,
            when_unset="false: such an address is refused",
        ),
    ] = False

    relay_listen: Annotated[
        str,
        Option(
            "Where the relay takes the beats of agents whose store is relay://.",
            Text("host:port, or [address]:port for IPv6", "HOST:PORT", check_address),
            "0.0.0.0:11411",
            Role.RELAY,
        ),
    ] = "127.0.0.1:11411"
    relay_period: Annotated[
        float,
        Option(
            "Seconds between two writes to the database; a beat is acknowledged when it was"
            " committed there, so it takes as long at most, and the write.",
            Seconds(0.01, 5.0),
            "0.5",
            Role.RELAY,
        ),
    ] = 0.25

    coordinator: Annotated[
        str,
        Option(
            "The coordinator that answers questions and takes orders; of several, the first that answers.",
            Text(
                "http:// or https:// URLs or unix:/path, with commas between", "URL", check_web_urls
            ),
            "http://coordinator-1:8420,http://coordinator-2:8420",
            Role.READER,
            secret=True,
        ),
    ] = "http://127.0.0.1:8420"

    token_file: Annotated[
        str | None,
        Option(
            "The file with the token by which a coordinator knows who asks or orders, as `musterd token"
            " create` prints it; its owner alone may read it.",
            _file,
            "~/.config/musterd/token",
            Role.READER,
            when_unset="none",
        ),
    ] = None
    token: Annotated[
        str | None,
        Option(
            "That token itself, for the environment; it goes before a token_file that is not named on"
            " the command line.",
            Text(
                "what `musterd token create` prints",
                "TOKEN",
                lambda text: check_token("it", text),
            ),
            "mt_1c9f0a7e_qhQ0tVQm0p3oWq1nq0r5o8Yy2mZc4kXj7sTfVb9dLwE",
            Role.READER,
            when_unset="none",
            private=True,
        ),
    ] = None

    @property
    def members(self) -> tuple[MemberSettings, ...]:
        """Return the members that an agent beats for; never empty."""
        return self.listed or (
            MemberSettings(
                group=self.group,
                member=self.member,
                interval=self.interval,
                zone=self.zone,
                owner=self.owner,
                metadata=self.metadata,
            ),
        )

    def push_timeout_for(self, interval: float) -> float:
        """Return the seconds that one beat of a member with this interval (seconds) may take."""
        if self.push_timeout is not None:
            return self.push_timeout
        return min(USUAL_PUSH_TIMEOUT, PUSH_SHARE * interval)

    @property
    def effective_push_timeout(self) -> float:
        """Return the seconds that suit every member of this agent.

        They are the deadline of the briefest interval.
        """
        return self.push_timeout_for(min(member.interval for member in self.members))

    @property
    def effective_sweep_timeout(self) -> float:
        """Return the seconds that one sweep of a shard may take."""
        if self.sweep_timeout is None:
            return min(10.0, self.service_down_time / 2)
        return self.sweep_timeout

    @property
    def registry_url(self) -> str:
        """Return the registry, with its secret: ``registry``, or what follows from ``store``."""
        if self.registry is not None:
            return self.registry
        if self.store.startswith(("postgresql:", "postgres:")):
            return self.store
        return "sqlite:///musterd.db"

    @property
    def signatures_in_force(self) -> str:
        """Return what is made of beats without a signature: one of :data:`SIGNATURES`."""
        return self.signatures or ("require" if self.fleet_key_file else "off")

    @property
    def has_key(self) -> bool:
        """Say whether an agent with these settings signs."""
        return any((self.member_key, self.member_key_file, self.fleet_key_file))

    @property
    def storm_hold_seconds(self) -> float:
        """Return the seconds of listening time that a mass silence is held as suspect."""
        return 2 * self.service_down_time if self.storm_hold is None else self.storm_hold

    @property
    def beat_ttl(self) -> float:
        """Return the seconds that a store that forgets keeps a beat that is not renewed."""
        return 10 * self.service_down_time

    @property
    def listen_addresses(self) -> list[tuple[str, int]]:
        """Return hosts and ports of ``listen``; port 0 asks the system for a free one."""
        parts = listen_parts(self.listen)
        return [host_and_port(one) for one in parts if socket_path(one) is None]

    def __repr__(self) -> str:
        shown = (f"{key}={aloud(key, getattr(self, key))!r}" for key in self.__struct_fields__)
        return f"Settings({', '.join(shown)})"


def _declared() -> dict[str, Option]:
    hints = get_type_hints(Settings, include_extras=True)
    extras = ((key, get_args(hints[key])[1:]) for key in Settings.__struct_fields__)
    return {key: extra[0] for key, extra in extras if extra and isinstance(extra[0], Option)}


OPTIONS = _declared()


def default_text(key: str) -> str:
    """Say in words what holds while nobody sets the option ``key``."""
    default = getattr(Settings(), key)
    return OPTIONS[key].when_unset or (f"{default:g}" if isinstance(default, float) else default)


def aloud(key: str, value: object) -> object:
    """Return ``value`` of the option ``key`` as it may be shown: no key, and no password of a URL.

    Where a URL belongs, a word that is none may be a password that was put there by mistake.
    """
    if value is not None and key in OPTIONS and OPTIONS[key].private:
        return "***"
    if isinstance(value, str) and key in OPTIONS and OPTIONS[key].secret:
        return without_secret(value) if ":" in value or not value else "***"
    return value
