"""The module reads and writes files with keys, which nobody but their owner may read."""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from musterd.errors import ConfigError
from musterd.keys import (
    END,
    FleetKeys,
    fleet_key_text,
    new_fleet_key,
    parse_fleet_keys,
    parse_member_keys,
)

_LIMIT = 1 << 20  # bytes; a thousand members take 100 kB
_OTHERS = 0o077
_PRIVATE = 0o600
_NOTE = (
    f"# Keys of a fleet of musterd, down to the line `{END}`: keep them on coordinators and relays, and"
    " show them to nobody.\n"
)


def read_fleet_keys(path: Path, environ: Mapping[str, str] = os.environ) -> FleetKeys:
    """Return the keys of a fleet key file; raise ConfigError for one that cannot be used."""
    return parse_fleet_keys(f"the fleet key file {path}", _read(path, "fleet key file", environ))


def read_member_keys(path: Path, environ: Mapping[str, str] = os.environ) -> dict[str, bytes]:
    """Return keys by ``GROUP/MEMBER``, or one by the empty name; raise ConfigError."""
    return parse_member_keys(f"the member key file {path}", _read(path, "member key file", environ))


def read_private(path: Path, what: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text of a file that its owner alone may read; raise ConfigError for any other."""
    return _read(path, what, environ)


def fleet_key_lines(current: bytes, previous: bytes | None = None) -> str:
    """Return the text of a fleet key file."""
    keys = [current] if previous is None else [current, previous]
    return _NOTE + "".join(f"{fleet_key_text(key)}\n" for key in keys) + f"{END}\n"


def make_fleet_key_file(path: Path) -> None:
    """Write a new fleet key into a file that is not there yet; raise ConfigError if it is."""
    try:
        _write_new(path, fleet_key_lines(new_fleet_key()))
    except FileExistsError:
        raise ConfigError(
            f"{path} is there already, and the fleet may need its key; name another file, or"
            f" renew it by: musterd keygen --rotate {path}"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def rotate_fleet_key_file(path: Path) -> FleetKeys:
    """Put a new key in front of the one in force, drop the one before that, and return both.

    The file is replaced at once: whoever reads it finds the old keys or the new ones.
    """
    path = path.resolve()  # what a link leads to is replaced, and not the link
    keys = FleetKeys(new_fleet_key(), read_fleet_keys(path).current)
    new = path.with_name(f".{path.name}.new")
    try:
        owner = path.stat()
        new.unlink(missing_ok=True)
        _write_new(new, fleet_key_lines(keys.current, keys.previous))
        if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(new, owner.st_uid, owner.st_gid)
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    return keys


def _write_new(path: Path, text: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    with open(number, "w") as file:  # noqa: PTH123  (a Path cannot open a descriptor)
        file.write(text)
        file.flush()
        os.fsync(number)


def _read(path: Path, what: str, environ: Mapping[str, str]) -> str:
    # systemd lets one user read a credential by an access list, which looks like rights of a group.
    is_credential = str(path.absolute().parent) == environ.get("CREDENTIALS_DIRECTORY")
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            _refuse_others_file(path, what, found)
            if found.st_mode & _OTHERS and not is_credential:
                raise ConfigError(f"others may read the {what} {path}: chmod 600 {path}")
            text = file.read(_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}") from None
    if len(text) > _LIMIT:
        raise ConfigError(f"the {what} {path} is larger than {_LIMIT} bytes: it is another file")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"the {what} {path} is no text: it is another file") from None


def _refuse_others_file(path: Path, what: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"the {what} {path} is no plain file")
    if found.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        raise ConfigError(
            f"the {what} {path} belongs to another user, who could change it: chown it to the user"
            " of this process, or to root"
        )
