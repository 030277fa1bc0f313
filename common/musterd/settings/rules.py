"""Rules between options say what contradicts, what is corrected, and what is merely unwise."""

from collections.abc import Mapping

import msgspec

from musterd.errors import ConfigError
from musterd.limits import INTERVALS_UNTIL_DOWN
from musterd.settings.declared.door import topics_of
from musterd.settings.settings import Settings

INTERVALS_PER_DOWN_TIME = 3


def consistent(
    settings: Settings, sources: Mapping[str, str]
) -> tuple[Settings, Mapping[str, str], list[str]]:
    """Return ``settings`` and ``sources`` after corrections, and warnings about them.

    Raises ConfigError where values contradict each other and no correction is safe.
    """
    settings, sources = _fit_interval(settings, sources)
    settings, sources, warnings = _fit_down_time(settings, sources)
    _refuse_slow_pushes(settings, sources)
    _refuse_slow_sweeps(settings, sources)
    _refuse_unchecked_signatures(settings, sources)
    _refuse_lonely_files(settings, sources)
    _refuse_two_novas(settings, sources)
    _refuse_strange_services(settings, sources)
    return settings, sources, warnings


def _fit_interval(
    settings: Settings, sources: Mapping[str, str]
) -> tuple[Settings, Mapping[str, str]]:
    # A coordinator and its agents are often told only service_down_time. An interval that nobody
    # chose must give way to it, or the correction below would overrule what somebody did choose.
    most = settings.service_down_time / INTERVALS_PER_DOWN_TIME
    if sources["interval"] != "default" or settings.interval <= most:
        return settings, sources
    source = f"default (service_down_time / {INTERVALS_PER_DOWN_TIME})"
    return msgspec.structs.replace(settings, interval=most), {**sources, "interval": source}


def _longest_interval(settings: Settings) -> float:
    return max(member.interval for member in settings.members)


def _fit_down_time(
    settings: Settings, sources: Mapping[str, str]
) -> tuple[Settings, Mapping[str, str], list[str]]:
    interval = _longest_interval(settings)
    chosen = settings.service_down_time
    if chosen > interval:
        return settings, sources, _brief_down_time(settings, interval)
    enough = INTERVALS_UNTIL_DOWN * interval
    corrected = msgspec.structs.replace(settings, service_down_time=enough)
    source = f"2.5 x interval (corrected: {sources['service_down_time']} says {chosen:g})"
    warning = (
        f"service_down_time {chosen:g} s is not longer than the interval of {interval:g} s: every"
        f" member would be down between two beats; using 2.5 x interval = {enough:g} s"
    )
    return corrected, {**sources, "service_down_time": source}, [warning]


def _brief_down_time(settings: Settings, interval: float) -> list[str]:
    chosen = settings.service_down_time
    needed = 2 * interval + settings.push_timeout_for(interval)
    if chosen >= needed:
        return []
    warning = (
        f"service_down_time {chosen:g} s is less than two intervals and a push timeout"
        f" ({needed:g} s): one lost beat is enough to make a live member down; raise it to"
        f" {needed:g} s or more, or lower the interval of {interval:g} s"
    )
    return [warning]


def _refuse_slow_pushes(settings: Settings, sources: Mapping[str, str]) -> None:
    if settings.push_timeout is None:
        return
    interval = min(member.interval for member in settings.members)
    if settings.push_timeout >= interval:
        raise ConfigError(
            f"push_timeout {settings.push_timeout:g} s ({sources['push_timeout']}) is not less than"
            f" the interval of {interval:g} s ({sources['interval']}): beats would queue; lower"
            " push_timeout, or leave it out"
        )


def _refuse_slow_sweeps(settings: Settings, sources: Mapping[str, str]) -> None:
    if settings.sweep_period >= settings.service_down_time:
        raise ConfigError(
            f"sweep_period {settings.sweep_period:g} s ({sources['sweep_period']}) is not less than"
            f" service_down_time {settings.service_down_time:g} s"
            f" ({sources['service_down_time']}): lower sweep_period, to a tenth of it or less"
        )


def _refuse_unchecked_signatures(settings: Settings, sources: Mapping[str, str]) -> None:
    if settings.signatures == "require" and not settings.has_key:
        raise ConfigError(
            f"signatures = require ({sources['signatures']}), and there is no key: a coordinator or"
            " relay needs a fleet_key_file, which `musterd keygen --output FILE` makes; an agent"
            " needs a member_key_file with what `musterd key GROUP MEMBER --fleet-key FILE` prints"
        )
    if settings.member_key_file and settings.member_key:
        raise ConfigError(
            f"both member_key_file ({sources['member_key_file']}) and member_key"
            f" ({sources['member_key']}) are given: leave one of them out"
        )


_NEEDED = {
    "key_file": "cert_file",
    "tls_key_file": "tls_cert_file",
    "tls_client_ca_file": "tls_cert_file",
}
"""Options that mean nothing without another one."""


def _refuse_lonely_files(settings: Settings, sources: Mapping[str, str]) -> None:
    for key, needed in _NEEDED.items():
        if getattr(settings, key) is not None and getattr(settings, needed) is None:
            raise ConfigError(
                f"{key} ({sources[key]}) is given without {needed}: name the certificate too, or"
                f" leave {key} out"
            )


def _refuse_two_novas(settings: Settings, sources: Mapping[str, str]) -> None:
    if settings.watch is not None and settings.nova_url != settings.watch:
        raise ConfigError(
            f"both store ({sources['store']}) and watch ({sources['watch']}) name databases of Nova's:"
            " leave watch out, or name the store that agents beat to"
        )


def _refuse_strange_services(settings: Settings, sources: Mapping[str, str]) -> None:
    known = topics_of(settings.nova_groups)
    for group in settings.nova_beat_groups:
        if group not in known:
            raise ConfigError(
                f"nova_beat_for ({sources['nova_beat_for']}) names {group}, of which no door knows the"
                f" topic: name it in nova_groups ({settings.nova_groups}) too"
            )
