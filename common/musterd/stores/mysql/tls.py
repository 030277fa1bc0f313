"""The module reads what a MySQL URL says of TLS, and makes the contexts for it.

The options are PyMySQL's and SQLAlchemy's, and mean what they mean in a URL of Nova's: ``ssl_ca`` alone has
the server's certificate checked, and the name in it; with ``ssl_verify_cert`` the name counts only where
``ssl_verify_identity`` says so. ``ssl_mode`` is mysqlclient's, with the words of MySQL's own client.
"""

import re
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from musterd.errors import ConfigError
from musterd.tls import Tls, TlsFiles, client_context, why

FILES = ("ssl_ca", "ssl_cert", "ssl_key")
"""What may stand in an option file of MariaDB too, with ``-`` for ``_``."""

_CHAIN, _NAME, _NAME_TOO = "ssl_verify_cert", "ssl_verify_identity", "ssl_check_hostname"
_SWITCHES = ("ssl", "ssl_disabled", _CHAIN, _NAME, _NAME_TOO)
_MODES = {  # TLS at all, who signed the certificate, whose it is
    "DISABLED": (False, False, False),
    "REQUIRED": (True, False, False),
    "VERIFY_CA": (True, True, False),
    "VERIFY_IDENTITY": (True, True, True),
}
OPTIONS = (*FILES, *_SWITCHES, "ssl_mode")
NOT_TAKEN = {
    "ssl_capath": "put the authorities into one file for ssl_ca",
    "ssl_key_password": "a daemon can ask nobody; name a key without passphrase in ssl_key",
    "ssl_cipher": "leave it out; TLS is 1.2 or newer, with OpenSSL's own choice",
}
"""What PyMySQL knows besides, and what to do instead."""

_TRUE = ("true", "yes", "on", "y", "t", "1", "required", "optional")
_FALSE = ("false", "no", "off", "n", "f", "0", "none")
_OUR_FILE = re.compile(r"\b(ca|cert|key)_file\b")


class Demand(NamedTuple):
    """A ``Demand`` says with which files, and what is checked of the server's certificate.

    ``chain`` is who signed it, and ``name`` whether it is that of the host. Without ``ca`` the system's
    authorities count.
    """

    ca: str | None
    cert: str | None
    key: str | None
    chain: bool
    name: bool


def demanded(options: Mapping[str, str]) -> Demand | None:
    """Return what these options demand; None: no TLS. Raises ConfigError for what is no demand."""
    switches = {name: _switch(name, options[name]) for name in _SWITCHES if name in options}
    wanted, chain, name = _mode(options, switches)
    given = {option: _file(option, options[option]) for option in FILES if option in options}
    if "ssl_key" in given and "ssl_cert" not in given:
        raise ConfigError("ssl_key is the key of a certificate: name that in ssl_cert")
    if not wanted:
        return None
    asked = switches.get(_NAME, switches.get(_NAME_TOO))
    name = name if asked is None else asked
    if name and switches.get(_CHAIN) is False:
        raise ConfigError(f"{_NAME} needs {_CHAIN}: anybody can make a certificate with that name")
    chain = switches.get(_CHAIN, chain or name or "ssl_ca" in given)
    ca, cert, key = map(given.get, FILES)
    return Demand(ca, cert, key, chain, name)


def _mode(options: Mapping[str, str], switches: Mapping[str, bool]) -> tuple[bool, bool, bool]:
    """Return whether TLS is wanted, and what is checked where no other option says so."""
    mode = options.get("ssl_mode", "").upper()
    if mode and mode not in _MODES:
        raise ConfigError(f"ssl_mode {mode!r} is not one of {', '.join(_MODES)}")
    if switches.get("ssl_disabled") or switches.get("ssl") is False:
        return _MODES["DISABLED"]
    if mode:
        return _MODES[mode]
    named = any(name in options for name in OPTIONS if name != "ssl_disabled")
    # Whoever says that a signature is checked has said whether the name is.
    checked = switches.get(_CHAIN)
    return named, checked is not False, checked is None


def _switch(option: str, word: str) -> bool:
    if word.lower() not in (*_TRUE, *_FALSE):
        raise ConfigError(f"{option} {word!r} is neither true nor false")
    return word.lower() in _TRUE


def _file(option: str, path: str) -> str:
    if not Path(path).is_file():
        raise ConfigError(f"{option} {path!r} is no file")
    return path


def tls_of(demand: Demand) -> Tls:
    """Return the TLS that is demanded; it takes renewed files."""
    files = TlsFiles(demand.cert, demand.key, demand.ca, "ssl_cert", "ssl_key", "ssl_ca")
    return Tls(files, partial(_context, demand))


def _context(demand: Demand, files: TlsFiles) -> ssl.SSLContext:
    context = client_context(files)
    context.check_hostname = demand.name
    if not demand.chain:
        context.verify_mode = ssl.CERT_NONE
    return context


def why_no_tls(error: ssl.SSLError) -> str:
    """Say in a few words why no TLS came about, with the names that options have in a URL."""
    return _OUR_FILE.sub(r"ssl_\1", why(error))
