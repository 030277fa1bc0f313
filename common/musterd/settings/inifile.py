"""INI text is read as oslo.config reads it: assignments, quotes, lines that go on, and ``$name``.

``key = value`` or ``key: value``, a value in one pair of quotes loses them, indented lines go on,
the last of several assignments counts, and ``$name``, ``${name}`` and ``$group.name`` stand for
other plain values. Lines end at CR and LF and nowhere else: a form feed or U+2028 is text. Sections
but ``[DEFAULT]`` are the same in capitals.
"""

import re
from collections.abc import Iterator, Mapping
from string import Template

from musterd.errors import ConfigError

Name = tuple[str, str]
Sections = Mapping[Name, str]

_DEPTH = 10
_QUOTES = ('"', "'")  # one alone is a pair of quotes to oslo.config
_LINE_END = re.compile(r"\r\n|\r|\n")


def label(name: Name) -> str:
    """Return ``[DEFAULT] host``, for people."""
    return f"[{name[0]}] {name[1]}"


def assignments(file: str, text: str) -> Iterator[tuple[Name, str]]:
    """Yield ``((section, key), value)`` for each assignment of ``text``; ``file`` is for errors.

    Raises ConfigError that names the line.
    """
    section, key, lines = "DEFAULT", "", [""]
    for number, line in enumerate(map(str.rstrip, [*_LINE_END.split(text), ""]), 1):
        if line.startswith((" ", "\t")):
            if not key:
                raise ConfigError(f"{file}, line {number}: {line.strip()!r} continues nothing")
            lines.append(line.lstrip())
            continue
        if key:
            yield (section, key), "\n".join(lines)
            key = ""
        if line.startswith("["):
            section = _section(file, number, line)
        elif line and not line.startswith(("#", ";")):
            key, value = _assignment(file, number, line)
            lines = [value]


def _section(file: str, number: int, line: str) -> str:
    if not line.endswith("]") or line == "[]":
        raise ConfigError(f"{file}, line {number}: {line!r} is no section; write [NAME]")
    name = line[1:-1]
    return name if name == "DEFAULT" else name.lower()


def _assignment(file: str, number: int, line: str) -> tuple[str, str]:
    key, separator, value = re.match(r"([^:=]*)([:=]?)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]  # matches anything
    if not separator or not key.strip():
        # The line itself stays unsaid: it may well be half a password.
        raise ConfigError(f"{file}, line {number} is neither [SECTION] nor KEY = VALUE")
    value = value.strip()
    return key.strip(), "" if value in _QUOTES else unquoted(value)


def unquoted(text: str) -> str:
    """Return ``text`` without the one pair of quotes around it, if there is one."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


class _OsloTemplate(Template):
    idpattern = r"[_a-z][._a-z0-9]*"


class _Names(Mapping[str, str]):
    """``_Names`` are the values that ``$name`` in the value of ``asking`` may stand for."""

    def __init__(self, sections: Sections, asking: Name, depth: int) -> None:
        self._sections, self._asking, self._depth = sections, asking, depth

    def __getitem__(self, name: str) -> str:
        section, dot, key = name.partition(".")
        key = key if dot else name
        for place in (section,) if dot else (self._asking[0], "DEFAULT"):
            if (place, key) in self._sections:
                return interpolate(self._sections, (place, key), self._depth - 1)
        raise ConfigError(f"{label(self._asking)} refers to ${name}, which is not set here")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def interpolate(sections: Sections, name: Name, depth: int = _DEPTH) -> str:
    """Return the value of ``name`` with each ``$other`` replaced.

    Raises ConfigError for a circle, and for an ``$other`` that is not set, as oslo.config does.
    """
    raw = sections[name].replace(r"\$", "$$")
    if not depth:
        raise ConfigError(f"{label(name)} refers to itself in a circle")
    return _OsloTemplate(raw).safe_substitute(_Names(sections, name, depth))
