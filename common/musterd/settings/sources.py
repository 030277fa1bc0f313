"""Settings come from the command line, the environment, a file and the defaults, in that order.

A file is TOML (``/etc/musterd/musterd.toml`` is read when it is there), or a ``nova.conf`` as it
stands (:mod:`musterd.settings.novaconf`). Nothing here connects anywhere.

It is written by hand, for no library says where each value is from. To import pydantic-settings takes
130 ms of CPU and 13 MB, on every host; this package with all that it imports takes 40 ms and 3 MB.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from musterd.errors import ConfigError
from musterd.settings.inifile import unquoted
from musterd.settings.options import Option, Unusable, variable
from musterd.settings.rules import consistent
from musterd.settings.settings import OPTIONS, MemberSettings, Settings, aloud
from musterd.settings.textfile import text_of
from musterd.urls import has_secret

__all__ = ["DEFAULT_FILE", "OPTIONS", "Loaded", "MemberSettings", "Settings", "aloud", "load"]

DEFAULT_FILE = Path("/etc/musterd/musterd.toml")
FILE_VARIABLE = "MUSTERD_CONFIG"

_NOVA_SECTION = re.compile(r"^\[(DEFAULT|database|cache)\]\s*$", re.MULTILINE)
_OUR_KEY = re.compile(
    rf"^({'|'.join(OPTIONS.keys() - {'service_down_time'})})\s*=|^\[\[member\]\]", re.MULTILINE
)

_MEMBER_KEYS = ("group", "member", "zone", "owner", "metadata", "interval")


class Given(NamedTuple):
    """A ``Given`` is a value that somebody gave.

    ``source`` says where to people; ``where`` begins an error about it.
    """

    value: Any
    source: str
    where: str
    as_text: bool = False


class Loaded(NamedTuple):
    """A ``Loaded`` has settings, where each came from, and what is odd about them.

    ``unfit_for_agents`` says why no agent should run with them.
    """

    settings: Settings
    sources: Mapping[str, str]
    warnings: Sequence[str]
    file: Path | None
    unfit_for_agents: Sequence[str] = ()


class Layer(NamedTuple):
    """A ``Layer`` is what one source gave.

    ``problems``, ``warnings`` and ``unfit_for_agents`` matter only for keys that no stronger source
    gives.
    """

    given: Mapping[str, Given]
    problems: Mapping[str, str] = {}
    listed: tuple[Mapping[str, Given], ...] = ()
    warnings: Mapping[str, Sequence[str]] = {}
    unfit_for_agents: Mapping[str, str] = {}


def load(
    argv_values: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None
) -> Loaded:
    """Return the settings for one run.

    ``argv_values`` are words of the command line by key (``metadata``: a list of ``K=V``), None
    where not given. ``file`` was named by ``--config`` and must exist, as must the one that
    MUSTERD_CONFIG names. Raises ConfigError, in one line, for anything that cannot be used.
    """
    path, layer = _file_layer(file, environ)
    _refuse_strange_variables(environ)
    layers = [_argv_layer(argv_values), _environ_layer(environ), layer]
    given = _strongest(layers)
    values = {key: _read(key, OPTIONS[key], one) for key, one in given.items()}
    sources = {key: given[key].source if key in given else "default" for key in OPTIONS}
    if layer.listed and given.get("member", None) is None:
        values["listed"] = _listed(layer.listed, Settings(**values))
    settings, origins, warnings = consistent(Settings(**values), sources)
    ours = [key for key, one in layer.given.items() if given[key] is one]
    doubts = [warning for key in ours for warning in layer.warnings.get(key, ())]
    unfit = [layer.unfit_for_agents[key] for key in ours if key in layer.unfit_for_agents]
    return Loaded(settings, origins, [*doubts, *warnings], path, unfit)


def _strongest(layers: Iterable[Layer]) -> dict[str, Given]:
    chosen: dict[str, Given] = {}
    for layer in layers:
        for key, problem in layer.problems.items():
            if key not in chosen:
                raise ConfigError(problem)
        chosen = {**layer.given, **chosen}
    return chosen


def _read(key: str, option: Option, given: Given) -> Any:
    try:
        kind = option.kind
        return kind.read_text(given.value) if given.as_text else kind.read(given.value)
    except Unusable as error:
        words = isinstance(given.value, list) and given.as_text
        shown = repr(" ".join(given.value) if words else aloud(key, given.value))
        said = "what is there (a password, perhaps)" if shown == "'***'" else shown
        raise ConfigError(f"{given.where}: {said} is not usable; use {error}") from None


def _argv_layer(argv_values: Mapping[str, Any]) -> Layer:
    given = {}
    for key, value in argv_values.items():
        if value is None:
            continue
        flag = OPTIONS[key].flag(key)
        if OPTIONS[key].private:
            raise ConfigError(
                f"{flag} would put a secret on the command line, which every user of this host can"
                f" read in the process list; put it into {variable(key)}, or into a file for"
                f" {OPTIONS[f'{key}_file'].flag(f'{key}_file')}"
            )
        if OPTIONS[key].secret and has_secret(value):
            raise ConfigError(
                f"{flag} has a password, which every user of this host can read in the process"
                f" list; put the URL into {variable(key)} or the configuration file"
                f"{_file_for_password(value)}"
            )
        given[key] = Given(value, flag, flag, as_text=True)
    return Layer(given)


def _file_for_password(url: str) -> str:
    scheme, _, _ = url.partition(":")
    if scheme in ("postgresql", "postgres"):
        return ", or the password into PGPASSFILE"
    if scheme in ("mysql", "mariadb"):
        return (
            ", or the password into a file that ?read_default_file=FILE names: a line [client], and"
            " under it password=…"
        )
    return ""


def _environ_layer(environ: Mapping[str, str]) -> Layer:
    given = {}
    for key in OPTIONS:
        name = variable(key)
        if value := environ.get(name, ""):  # an empty variable is one that is not set
            given[key] = Given(value, name, name, as_text=True)
    return Layer(given)


# What Kubernetes puts into every container beside a service called musterd, or musterd-something.
_OF_A_SERVICE = re.compile(
    r"MUSTERD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def _refuse_strange_variables(environ: Mapping[str, str]) -> None:
    known = [FILE_VARIABLE, *map(variable, OPTIONS)]
    for name in sorted(environ):
        ours = name.startswith("MUSTERD_") and name not in known
        if ours and not _OF_A_SERVICE.fullmatch(name):
            raise ConfigError(
                f"the environment has {name}, which is no option"
                f"{nearest(name, known) or '; unset it, or see docs/configuration.md'}"
            )


def environment_in(file: Path) -> dict[str, str]:
    """Return the variables of a file as ``EnvironmentFile=`` takes it: ``KEY=VALUE`` lines.

    Raises ConfigError.
    """
    variables = {}
    for number, line in enumerate(text_of(file).splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith(("#", ";")):
            continue
        if not equals:
            raise ConfigError(f"{file}, line {number} is no KEY=VALUE")
        variables[name.strip()] = unquoted(value.strip())
    return variables


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean …?"`` if one of ``known`` looks like ``name``, else nothing."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _file_layer(file: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, Layer]:
    if file is None and environ.get(FILE_VARIABLE):
        file = Path(environ[FILE_VARIABLE])
    if file is None:
        if not DEFAULT_FILE.exists():
            return None, Layer({})
        file = DEFAULT_FILE
    if file.is_dir() or (file.with_name(f"{file.name}.d").is_dir() and not file.exists()):
        return file, _nova_layer(file)
    text = text_of(file)
    if _is_nova(file, text):
        return file, _nova_layer(file)
    return file, _toml_layer(file, text)


def _is_nova(file: Path, text: str) -> bool:
    """Say whether to read an INI file: it has Nova's sections, or its name and no key of ours."""
    if _NOVA_SECTION.search(text.replace("\r", "\n")):
        return True
    return file.suffix == ".conf" and not _OUR_KEY.search(text)


def _nova_layer(file: Path) -> Layer:
    from musterd.settings import novaconf, novafile  # most hosts have no nova.conf

    found = novaconf.read(novafile.read_with_others(file))
    given = {
        key: Given(
            value.text, f"{file.name} {value.option}", f"{file}: {value.option}", as_text=True
        )
        for key, value in found.values.items()
    }
    return Layer(
        given, found.problems, warnings=found.warnings, unfit_for_agents=found.unfit_for_agents
    )


def _toml_layer(file: Path, text: str) -> Layer:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None
    tables = document.pop("member") if isinstance(document.get("member"), list) else []
    given = _keys(file, document, OPTIONS, f"{file}")
    listed = tuple(_member_table(file, number, table) for number, table in enumerate(tables, 1))
    return Layer(given, listed=listed)


def _member_table(file: Path, number: int, table: object) -> Mapping[str, Given]:
    where = f"{file}: [[member]] {number}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: {table!r} is not a table; begin each with a line [[member]]")
    keys = _keys(file, table, _MEMBER_KEYS, where)
    if "member" not in keys:
        raise ConfigError(f'{where} has no name; give it member = "…"')
    return keys


def _keys(
    file: Path, table: Mapping[str, Any], known: Iterable[str], where: str
) -> dict[str, Given]:
    known = list(known)
    strange = [f"an unknown key {key}{nearest(key, known)}" for key in table if key not in known]
    if strange:
        raise ConfigError(f"{where} has {', and '.join(strange)}")
    return {key: Given(value, str(file), f"{where}: {key}") for key, value in table.items()}


def _listed(tables: Iterable[Mapping[str, Given]], base: Settings) -> tuple[MemberSettings, ...]:
    members = []
    for table in tables:
        own = {key: _read(key, OPTIONS[key], one) for key, one in table.items()}
        usual = {key: getattr(base, key) for key in _MEMBER_KEYS}
        members.append(MemberSettings(**{**usual, **own}))
    _refuse_twins(members)
    return tuple(members)


def _refuse_twins(members: Sequence[MemberSettings]) -> None:
    seen: set[tuple[str, str]] = set()
    for one in members:
        if (one.group, one.member) in seen:
            raise ConfigError(
                f"[[member]] {one.group}/{one.member} is listed twice; a member beats once"
            )
        seen.add((one.group, one.member))
