"""``musterd check-config`` prints every option, its value, and where it is from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_env_file, add_json, settings_of
from musterd.cli.arguments import parser as new_parser
from musterd.errors import ConfigError
from musterd.settings.keyring import fleet_keys_of, keyring_of
from musterd.settings.options import Role
from musterd.settings.settings import OPTIONS, MemberSettings, Settings, aloud
from musterd.settings.sources import Loaded
from musterd.stores import open_store
from musterd.stores.nova.url import parse_url
from musterd.tls import client_tls, server_context, server_tls
from musterd.tls import warnings as certificate_warnings

_DERIVED: Mapping[str, Callable[[Settings], object]] = {
    "push_timeout": lambda settings: settings.effective_push_timeout,
    "sweep_timeout": lambda settings: settings.effective_sweep_timeout,
    "storm_hold": lambda settings: settings.storm_hold_seconds,
    "registry": lambda settings: settings.registry_url,
    "signatures": lambda settings: settings.signatures_in_force,
}


class Line(msgspec.Struct, frozen=True):
    """A ``Line`` is one option as it stands."""

    key: str
    value: Any
    source: str


class CheckReport(msgspec.Struct, frozen=True):
    """A ``CheckReport`` is what ``check-config --json`` prints."""

    file: str | None
    options: list[Line]
    members: list[MemberSettings]
    warnings: list[str]


def parser(name: str) -> Parser:
    """Return the command line of ``musterd check-config``."""
    example = "musterd check-config --config /etc/nova/nova.conf"
    made = new_parser(
        name, example, Role.AGENT, Role.COORDINATOR, Role.RELAY, Role.NOVA, Role.READER
    )
    add_env_file(made)
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print the configuration and return 0; raise ConfigError when it cannot be used."""
    args = parser(name).parse(argv)
    loaded = settings_of(args)
    check_usable(loaded.settings)
    report = report_on(loaded)
    if args.json:
        ask.print_json(report)
    else:
        print(text(report))
    return 0


def check_usable(settings: Settings) -> None:
    """Raise ConfigError for what only a start would find; connect to nothing."""
    for url in filter(None, (settings.store, settings.watch)):
        open_store(
            url,
            namespace=settings.namespace,
            timeout=settings.effective_push_timeout,
            beat_ttl=settings.beat_ttl,
            tls=client_tls(settings),
        )
    for member in settings.members:
        member.announced()
    if settings.fleet_key_file:
        fleet_keys_of(settings)
    keyring_of(settings)


def report_on(loaded: Loaded) -> CheckReport:
    """Return every option with its value in force, without secrets."""
    return CheckReport(
        file=str(loaded.file) if loaded.file else None,
        options=[_line(key, loaded) for key in OPTIONS],
        members=list(loaded.settings.members),
        warnings=[
            *loaded.warnings,
            *(f"agents refuse this: {no}" for no in loaded.unfit_for_agents),
            *_doubts_of_listeners(loaded.settings),
            *_doubts_of_nova(loaded.settings),
        ],
    )


def _doubts_of_listeners(settings: Settings) -> list[str]:
    """Say what is wrong with a certificate; no error, as an agent that reads the same file has none."""
    tls = server_tls(settings)
    if tls is None:
        return []
    try:
        server_context(tls.files)
    except ConfigError as error:
        return [f"coordinators and relays refuse this: {error}"]
    return certificate_warnings(tls.files)


def _doubts_of_nova(settings: Settings) -> Iterator[str]:
    """Say what service_down_time comes to where Nova is watched."""
    if settings.nova_url is None:
        return
    waits, interval = parse_url(settings.nova_url).rpc_response_timeout, settings.interval
    silent = 1.5 * interval + max(interval, waits)
    if silent > settings.service_down_time:
        yield (
            f"one message that is lost keeps a living nova-compute silent for {interval + waits:g} s, its"
            f" interval and rpc_response_timeout: it is down after {silent:g} s, and not after"
            f" service_down_time {settings.service_down_time:g} s; where nova.conf of computes says"
            " another rpc_response_timeout, say ?rpc_response_timeout=SECONDS in the store's URL"
        )


def _line(key: str, loaded: Loaded) -> Line:
    value, source = getattr(loaded.settings, key), loaded.sources[key]
    if value is None and key in _DERIVED:
        value, source = _DERIVED[key](loaded.settings), f"default: {OPTIONS[key].when_unset}"
    return Line(key, aloud(key, value), source)


def text(report: CheckReport) -> str:
    """Return a table of options, the members where several are listed, then the warnings."""
    parts = [
        f"file: {report.file or 'none'}",
        render.table(("KEY", "VALUE", "FROM"), _rows(report)),
    ]
    if len(report.members) > 1:
        parts.append(_member_table(report.members))
    parts += [f"warning: {warning}" for warning in report.warnings]
    return "\n\n".join(parts)


def _rows(report: CheckReport) -> Iterator[Sequence[str]]:
    for line in report.options:
        yield line.key, _value_text(line), line.source


def _value_text(line: Line) -> str:
    if line.value is None:
        return OPTIONS[line.key].when_unset
    if isinstance(line.value, float):
        return f"{line.value:.6g}"
    if isinstance(line.value, Mapping):
        return " ".join(f"{name}={value}" for name, value in line.value.items()) or "-"
    return str(line.value) or "-"


def _member_table(members: Sequence[MemberSettings]) -> str:
    headers = ("MEMBER", "INTERVAL", "ZONE", "OWNER", "METADATA")
    rows = (
        [
            f"{one.group}/{one.member}",
            f"{one.interval:g}",
            one.zone or "-",
            one.owner or "-",
            " ".join(f"{name}={value}" for name, value in one.metadata.items()) or "-",
        ]
        for one in members
    )
    return render.table(headers, rows)
