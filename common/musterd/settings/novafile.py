"""A :class:`NovaFile` has what stands in a ``nova.conf`` and in the files that Nova reads with it.

It knows how options are written, and not what anybody makes of them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from musterd.errors import ConfigError
from musterd.settings.inifile import Name, assignments, interpolate, label
from musterd.settings.textfile import text_of
from musterd.urls import host_and_port

MEMCACHED_PORT = 11211

_TRUE = ("true", "1", "on", "yes")  # oslo.config's own words
_NONE = ("<none>", "none")


def files_of(file: Path) -> list[Path]:
    """Return ``file`` and what Nova reads with it, as oslo.config does; the later ones win.

    A directory stands for its ``*.conf``. Beside ``nova.conf`` Nova's compute service reads
    ``nova-compute.conf``, and every service the ``*.conf`` in the directory ``FILE.d``, whether there
    is a ``FILE`` or not.
    """
    if file.is_dir():
        return _confs(file)
    compute = [file.with_name("nova-compute.conf")] if file.name == "nova.conf" else []
    files = [one for one in (file, *compute) if one.exists()]
    beside = [one.with_name(f"{one.name}.d") for one in (file, *compute)]
    return files + [more for directory in beside for more in _confs(directory)]


def _confs(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.conf") if path.is_file())


class NovaFile:
    """A ``NovaFile`` tells the value of an option by its section and name; ``file`` is for errors.

    ``options`` has all values of each in order: the last counts, but for options that add up. Every
    question raises ConfigError where a value refers to what nothing sets.
    """

    def __init__(self, file: str, options: Mapping[Name, Sequence[str]]) -> None:
        self.file = file
        self._options = options
        self._sections = {name: values[-1] for name, values in options.items()}

    @property
    def is_empty(self) -> bool:
        """Say whether it sets nothing."""
        return not self._options

    def has(self, name: Name) -> bool:
        """Say whether any file sets ``name``, to whatever."""
        return name in self._options

    def text(self, name: Name) -> str:
        """Return the value of ``name``; empty where it is not set, or set to ``<None>``."""
        if not self.has(name):
            return ""
        text = interpolate(self._sections, name).strip()
        return "" if text.lower() in _NONE else text

    def texts(self, name: Name) -> list[str]:
        """Return all values of ``name``, an option that may be given several times."""
        each = ({**self._sections, name: value} for value in self._options.get(name, ()))
        return [interpolate(sections, name).strip() for sections in each]

    def words(self, name: Name) -> list[str]:
        """Return the words of ``name``, which has commas between."""
        return [word for part in self.text(name).split(",") if (word := part.strip())]

    def is_true(self, name: Name) -> bool:
        """Say whether ``name`` is set to one of oslo.config's words for true."""
        return self.text(name).lower() in _TRUE

    def number(self, name: Name, default: float) -> float:
        """Return ``name`` as a number; ``default`` where it is not set, or is none."""
        try:
            return float(self.text(name) or default)
        except ValueError:
            return default

    def servers(self, name: Name) -> list[str]:
        """Return the memcached servers in ``name``, each once, as ``HOST:PORT`` or ``[ADDRESS]:PORT``."""
        words = [word.strip(" \t\"'") for word in re.split(r"[,\n]", self.text(name))]
        return list(dict.fromkeys(_server(name, word) for word in words if word))


def _server(name: Name, word: str) -> str:
    address = re.sub(r"^inet6?:(?=.*[:\]])|^inet6?:(?=[^:]+$)", "", word)
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"  # a bare IPv6 address
    try:
        host, port = host_and_port(address, default_port=MEMCACHED_PORT)
    except ValueError:
        host, port = "", 0
    if not host or "$" in host or "/" in host:
        raise ConfigError(
            f"{label(name)}: {word!r} is no memcached server; write HOST:PORT, or [ADDRESS]:PORT"
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def of_texts(file: str, texts: Sequence[tuple[str, str]]) -> NovaFile:
    """Return what stands in these texts: pairs of a file's name and its text, of which the later win.

    Raises ConfigError where one is no INI text.
    """
    options: dict[Name, list[str]] = {}
    for one, text in texts:
        for name, value in assignments(one, text):
            options.setdefault(name, []).append(value)
    return NovaFile(file, options)


def read_with_others(file: Path) -> NovaFile:
    """Return what stands in ``file`` and in :func:`the files that Nova reads with it <files_of>`.

    Raises ConfigError where there is none, or one cannot be read.
    """
    files = files_of(file)
    if not files:
        raise ConfigError(f"the configuration directory {file} has no *.conf")
    return of_texts(str(file), [(str(one), text_of(one)) for one in files])
