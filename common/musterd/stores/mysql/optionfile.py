"""The module reads an option file of MariaDB's, such as ``my.cnf``: a password, and files for TLS."""

from configparser import Error, RawConfigParser
from pathlib import Path

from musterd.errors import ConfigError
from musterd.keyfiles import read_private

GROUP = "client"
"""The section that counts where none is named."""

_WHAT = "option file of MariaDB"


def password_in(file: str, group: str) -> str:
    """Return the password in a file that its owner alone may read; raise ConfigError for any other."""
    password = options_in(file, group, private=True).get("password")
    if password is None:
        raise ConfigError(f"the {_WHAT} {file} has no line password=… in a section [{group}]")
    return password


def options_in(file: str, group: str, *, private: bool) -> dict[str, str]:
    """Return what a section says, with ``_`` for ``-`` in names, as the driver of Nova reads it.

    Where there is no such section it says nothing. ``private``: its owner alone may read the file.
    Raises ConfigError for one that cannot be used.
    """
    parser = RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(read_private(Path(file), _WHAT) if private else _text_of(file))
    except Error:  # whose words would repeat the line
        raise ConfigError(f"the {_WHAT} {file} is no text with [SECTION] and NAME=VALUE") from None
    said = parser.items(group) if parser.has_section(group) else []
    return {name.replace("-", "_"): _unquoted(value) for name, value in said if value is not None}


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text()
    except OSError as error:
        raise ConfigError(f"cannot read the {_WHAT} {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the {_WHAT} {file} is not UTF-8 text") from None


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
