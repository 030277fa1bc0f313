"""The URL that Tooz is given says where coordinators are; the rest is what this host has of musterd's.

``musterd://c1:8420,c2:8420/namespace?store=memcached://mc1:11211``, or ``musterd+https://…``. What a URL
leaves out is in ``/etc/musterd/musterd.toml`` and ``MUSTERD_*``, as for an agent and for commands; so
secrets stay out of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from musterd.errors import ConfigError
from musterd.settings.options import Option, Seconds, Unusable, variable
from musterd.settings.settings import Settings
from musterd.settings.sources import Loaded, load, nearest

TIMEOUT, WAIT = "timeout", "wait"

_OURS = {
    TIMEOUT: Option("", Seconds(1, 86400), "30"),
    WAIT: Option("", Seconds(0.1, 3600), "10"),
}
_SETTINGS = ("store", "interval", "zone", "owner")
_USUAL_TIMEOUT, _USUAL_WAIT = 30.0, 10.0
_BEATS_IN_TIMEOUT = 6


class ToozOptions(msgspec.Struct, frozen=True):
    """A ``ToozOptions`` is what one driver goes by.

    Without a call of ``heartbeat()`` for ``timeout`` seconds a member counts as dead. A coordinator may
    take ``wait`` seconds to answer, and as long to tell that somebody joined or left.
    """

    loaded: Loaded
    timeout: float = _USUAL_TIMEOUT
    wait: float = _USUAL_WAIT

    @property
    def settings(self) -> Settings:
        """Return musterd's own settings."""
        return self.loaded.settings


def read_options(
    scheme: str,
    hosts: str,
    path: str,
    given: Mapping[str, Sequence[Any]],
    environ: Mapping[str, str],
) -> ToozOptions:
    """Return the options of a URL: its ``hosts``, its ``path``, and what is ``given`` by name.

    Of several values of one option the last counts. Raises ConfigError.
    """
    known = [*_OURS, *_SETTINGS]
    for name in given:
        if name not in known:
            hint = nearest(name, known) or f"; it has {', '.join(known)}"
            raise ConfigError(f"the URL for Tooz has no option {name!r}{hint}")
    last = {name: values[-1] for name, values in given.items()}
    ours = {name: _seconds(name, last[name]) for name in _OURS if name in last}
    said = {name: str(last[name]) for name in _SETTINGS if name in last}
    if hosts:
        said["coordinator"] = _coordinators(scheme, hosts)
    if namespace := path.strip("/"):
        said["namespace"] = namespace
    interval = ours.get(TIMEOUT, _USUAL_TIMEOUT) / _BEATS_IN_TIMEOUT
    # As variables, for a URL in somebody's configuration may have a password as they may.
    variables = {variable(name): text for name, text in said.items()}
    brisk = {variable("interval"): f"{interval:g}"}
    return ToozOptions(load({}, {**brisk, **environ, **variables}), **ours)


def _coordinators(scheme: str, hosts: str) -> str:
    web = "https" if scheme.endswith("+https") else "http"
    return ",".join(f"{web}://{host.strip()}" for host in hosts.split(","))


def _seconds(name: str, value: object) -> float:
    try:
        seconds: float = _OURS[name].kind.read_text(str(value))
    except Unusable as error:
        raise ConfigError(
            f"the URL for Tooz: {name} {value!r} is not usable; use {error}"
        ) from None
    return seconds
