"""The module has one frozen Settings for everybody, of what the package ``declared`` declares."""

import socket
from collections.abc import Mapping
from typing import Annotated, get_args, get_type_hints

import msgspec

from musterd.limits import PUSH_SHARE, USUAL_PUSH_TIMEOUT
from musterd.model import Member, check_member
from musterd.settings.declared import (
    agents,
    coordinators,
    door,
    fleet,
    listeners,
    notify,
    openstack,
    readers,
)
from musterd.settings.options import DATABASES, WATCHED, Option
from musterd.urls import host_and_port, listen_parts, socket_path, without_secret


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

    store: Annotated[str, fleet.STORE] = "embedded://127.0.0.1:11311"
    namespace: Annotated[str, fleet.NAMESPACE] = "musterd"
    service_down_time: Annotated[float, fleet.SERVICE_DOWN_TIME] = 60.0
    log_level: Annotated[str, fleet.LOG_LEVEL] = "info"
    log_format: Annotated[str | None, fleet.LOG_FORMAT] = None
    fleet_key_file: Annotated[str | None, fleet.FLEET_KEY_FILE] = None
    signatures: Annotated[str | None, fleet.SIGNATURES] = None
    ca_file: Annotated[str | None, fleet.CA_FILE] = None
    cert_file: Annotated[str | None, fleet.CERT_FILE] = None
    key_file: Annotated[str | None, fleet.KEY_FILE] = None

    group: Annotated[str, agents.GROUP] = "compute"
    member: Annotated[str, agents.MEMBER] = msgspec.field(default_factory=socket.gethostname)
    interval: Annotated[float, agents.INTERVAL] = 10.0
    zone: Annotated[str, agents.ZONE] = ""
    owner: Annotated[str, agents.OWNER] = ""
    metadata: Annotated[Mapping[str, str], agents.METADATA] = {}
    push_timeout: Annotated[float | None, agents.PUSH_TIMEOUT] = None
    member_key_file: Annotated[str | None, agents.MEMBER_KEY_FILE] = None
    member_key: Annotated[str | None, agents.MEMBER_KEY] = None
    metrics_file: Annotated[str | None, agents.METRICS_FILE] = None
    listed: tuple[MemberSettings, ...] = ()  # from [[member]] tables, or empty

    listen: Annotated[str, coordinators.LISTEN] = "127.0.0.1:8420"
    allowed_hosts: Annotated[str, coordinators.ALLOWED_HOSTS] = ""
    anonymous_read: Annotated[bool, coordinators.ANONYMOUS_READ] = False
    consul_group: Annotated[str, openstack.CONSUL_GROUP] = "compute"
    agent_state_groups: Annotated[str, openstack.AGENT_STATE_GROUPS] = ""
    connections_per_address: Annotated[int | None, coordinators.CONNECTIONS_PER_ADDRESS] = None
    watch: Annotated[str | None, coordinators.WATCH] = None
    registry: Annotated[str | None, coordinators.REGISTRY] = None
    sweep_period: Annotated[float, coordinators.SWEEP_PERIOD] = 1.0
    sweep_timeout: Annotated[float | None, coordinators.SWEEP_TIMEOUT] = None
    storm_min: Annotated[int, coordinators.STORM_MIN] = 5
    storm_fraction: Annotated[float, coordinators.STORM_FRACTION] = 1 / 3
    storm_hold: Annotated[float | None, coordinators.STORM_HOLD] = None
    history_days: Annotated[int, coordinators.HISTORY_DAYS] = 30
    forget_left: Annotated[float | None, coordinators.FORGET_LEFT] = None
    members_limit: Annotated[int, coordinators.MEMBERS_LIMIT] = 2_000_000
    trace_dir: Annotated[str | None, coordinators.TRACE_DIR] = None
    trace_max_mb: Annotated[int, coordinators.TRACE_MAX_MB] = 256
    trace_anonymous: Annotated[bool, coordinators.TRACE_ANONYMOUS] = False

    tls_cert_file: Annotated[str | None, listeners.TLS_CERT_FILE] = None
    tls_key_file: Annotated[str | None, listeners.TLS_KEY_FILE] = None
    tls_client_ca_file: Annotated[str | None, listeners.TLS_CLIENT_CA_FILE] = None
    insecure_listen: Annotated[bool, listeners.INSECURE_LISTEN] = False
    relay_listen: Annotated[str, listeners.RELAY_LISTEN] = "127.0.0.1:11411"
    relay_metrics: Annotated[str | None, listeners.RELAY_METRICS] = None
    relay_period: Annotated[float, listeners.RELAY_PERIOD] = 0.25

    nova_listen: Annotated[str | None, door.NOVA_LISTEN] = None
    nova_groups: Annotated[str, door.NOVA_GROUPS] = "compute"
    nova_beat_for: Annotated[str, door.NOVA_BEAT_FOR] = ""
    nova_tls: Annotated[bool, door.NOVA_TLS] = False
    nova_cache: Annotated[int, door.NOVA_CACHE] = 64
    nova_view: Annotated[str | None, door.NOVA_VIEW] = None

    notify_webhook: Annotated[str | None, notify.WEBHOOK] = None
    notify_exec: Annotated[str | None, notify.EXEC] = None
    notify_alertmanager: Annotated[str | None, notify.ALERTMANAGER] = None
    notify_key_file: Annotated[str | None, notify.KEY_FILE] = None
    notify_key: Annotated[str | None, notify.KEY] = None
    notify_ca_file: Annotated[str | None, notify.NOTIFY_CA_FILE] = None
    notify_heartbeat: Annotated[float | None, notify.HEARTBEAT] = None
    notify_state: Annotated[str | None, notify.STATE] = None

    coordinator: Annotated[str, readers.COORDINATOR] = "http://127.0.0.1:8420"
    token_file: Annotated[str | None, readers.TOKEN_FILE] = None
    token: Annotated[str | None, readers.TOKEN] = None

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
    def nova_url(self) -> str | None:
        """Return the URL of Nova's databases, with its secret, where they are watched."""
        return self.store if self.store.startswith(WATCHED) else self.watch

    @property
    def registry_url(self) -> str:
        """Return the registry, with its secret: ``registry``, or what follows from ``store``."""
        if self.registry is not None:
            return self.registry
        if self.store.startswith(DATABASES):
            return self.store
        return "sqlite:///musterd.db"

    @property
    def signatures_in_force(self) -> str:
        """Return what is made of beats without a signature: ``off``, ``accept`` or ``require``."""
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

    @property
    def agent_state_group_names(self) -> list[str]:
        """Return the names in ``agent_state_groups``."""
        return openstack.group_names(self.agent_state_groups)

    @property
    def nova_beat_groups(self) -> list[str]:
        """Return the groups for whose services on this host a door beats."""
        return door.groups_of(self.nova_beat_for)

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
