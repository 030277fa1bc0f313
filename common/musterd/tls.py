"""The module makes the TLS contexts of servers and clients out of PEM files, and takes renewed files."""

import re
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from musterd.errors import ConfigError
from musterd.logger import get_logger
from musterd.renewal import Renewable

log = get_logger(__name__)

GOODBYE = 0.001
"""Seconds for the end of TLS where an event loop closes a connection of ours, as it does with one whose
connect was given up just as the handshake ended. It waits for the server's goodbye half a minute else."""

_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s.+?\s-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)
_SEQUENCE, _VERSION = 0x30, 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime, GeneralizedTime


class TlsFiles(NamedTuple):
    """``TlsFiles`` are the paths of one side, and the options that name them, for errors."""

    cert: str | None
    key: str | None
    ca: str | None
    cert_option: str
    key_option: str
    ca_option: str

    def given(self) -> Iterator[tuple[str, str]]:
        """Yield option and path of each file that is given."""
        for option, path in (
            (self.cert_option, self.cert),
            (self.key_option, self.key),
            (self.ca_option, self.ca),
        ):
            if path is not None:
                yield option, path


class HasTlsFiles(Protocol):
    """A ``HasTlsFiles`` are settings, as far as they name files."""

    @property
    def ca_file(self) -> str | None: ...
    @property
    def cert_file(self) -> str | None: ...
    @property
    def key_file(self) -> str | None: ...
    @property
    def tls_cert_file(self) -> str | None: ...
    @property
    def tls_key_file(self) -> str | None: ...
    @property
    def tls_client_ca_file(self) -> str | None: ...


class Tls(Renewable[ssl.SSLContext]):
    """A ``Tls`` has the context of one side, which is made when it is first needed.

    One that files were renewed for serves the connections that it began.
    """

    def __init__(
        self,
        files: TlsFiles,
        make: Callable[[TlsFiles], ssl.SSLContext],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        paths = [path for _, path in files.given()]
        super().__init__("certificate", paths, partial(make, files), clock=clock)
        self.files = files

    def context(self) -> ssl.SSLContext:
        """Return the context for one more connection."""
        return self.current()

    def warn(self) -> None:
        """Say in the log what is doubtful about the files."""
        for warning in warnings(self.files):
            log.warning("certificate doubtful", detail=warning)


def server_tls(settings: HasTlsFiles) -> Tls | None:
    """Return the TLS of what listens; None where it has no certificate."""
    if settings.tls_cert_file is None:
        return None
    files = TlsFiles(
        *(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file),
        *("tls_cert_file", "tls_key_file", "tls_client_ca_file"),
    )
    return Tls(files, server_context)


def client_tls(settings: HasTlsFiles) -> Tls:
    """Return the TLS of what connects."""
    return client_tls_of(settings.ca_file, settings.cert_file, settings.key_file)


def client_tls_of(
    ca_file: str | None = None, cert_file: str | None = None, key_file: str | None = None
) -> Tls:
    """Return the TLS of a client with these files."""
    files = TlsFiles(cert_file, key_file, ca_file, "cert_file", "key_file", "ca_file")
    return Tls(files, client_context)


def own_tls(settings: HasTlsFiles) -> Tls:
    """Return the TLS by which a process connects to what itself listens.

    It knows the certificate: whose name that has, and who signed it, does not matter. Where it has
    none of a client, it shows that of the server.
    """
    cert, key = settings.cert_file, settings.key_file
    if cert is None:
        cert, key = settings.tls_cert_file, settings.tls_key_file
    names = "cert_file", "key_file", "tls_cert_file"
    return Tls(TlsFiles(cert, key, settings.tls_cert_file, *names), _own_context)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a context of a server; raise ConfigError for files that cannot be used.

    Sessions are not resumed: a client whose authority was taken away cannot come back by an old one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    _harden(context)
    if files.ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    _load(context, files)
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a context of a client; raise ConfigError for files that cannot be used."""
    context = ssl.create_default_context() if files.ca is None else _careful_client()
    _harden(context)
    _load(context, files)
    return context


def _own_context(files: TlsFiles) -> ssl.SSLContext:
    context = _careful_client()
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is the anchor
    _harden(context)
    _load(context, files)
    return context


def _careful_client() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # names and chains are checked


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    for option, path in files.given():
        _read(option, path)
    if files.ca is not None:
        try:
            context.load_verify_locations(files.ca)
        except ssl.SSLError:
            raise ConfigError(f"{files.ca_option}: {files.ca} has no certificate in PEM") from None
    if files.cert is not None:
        _load_chain(context, files, files.cert)


def _load_chain(context: ssl.SSLContext, files: TlsFiles, cert: str) -> None:
    key = files.key or cert

    def no_passphrase() -> NoReturn:
        raise ConfigError(
            f"{files.key_option}: the key in {key} has a passphrase, for which a daemon can ask nobody;"
            " use one without, in a file that only its user may read"
        )

    try:
        context.load_cert_chain(cert, files.key, no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"{files.key_option}: the key in {key} is not that of the certificate in {cert}"
            ) from None
        if not _PEM.search(_read(files.cert_option, cert)):
            raise ConfigError(f"{files.cert_option}: {cert} has no certificate in PEM") from None
        reason = str(error.reason or error).replace("_", " ").lower()
        raise ConfigError(
            f"{files.key_option}: {key} has no private key in PEM that fits ({reason})"
        ) from None


def _read(option: str, path: str) -> str:
    try:
        return Path(path).read_text("latin-1")
    except OSError as error:
        raise ConfigError(f"{option}: cannot read {path}: {error.strerror}") from None


def warnings(files: TlsFiles, now: datetime | None = None) -> list[str]:
    """Say of each certificate in these files that has expired, and of a key that all may read."""
    now = now or datetime.now(UTC)
    found = [
        f"{option}: a certificate in {path} expired on {ends:%Y-%m-%d %H:%M} UTC; renew it: nobody"
        " who checks it connects"
        for option, path in files.given()
        if (ends := min(_expiries_in(path), default=now)) < now
    ]
    key = files.key or files.cert
    if key is not None and _is_open(key):
        found.append(f"{files.key_option}: every user of this host may read {key}; chmod o-r it")
    return found


def _expiries_in(path: str) -> list[datetime]:
    try:
        return list(expiries(Path(path).read_text("latin-1")))
    except OSError:  # it was there a moment ago
        return []


def _is_open(path: str) -> bool:
    try:
        return bool(Path(path).stat().st_mode & 0o004)
    except OSError:
        return False


def expiries(pem: str) -> Iterator[datetime]:
    """Yield when each certificate of a PEM file expires; nothing of those that cannot be read."""
    for block in _PEM.findall(pem):
        try:
            yield _not_after(ssl.PEM_cert_to_DER_cert(block))
        except (ValueError, IndexError, KeyError):
            continue


def _not_after(der: bytes) -> datetime:
    """Return the end of the validity of a certificate (RFC 5280, 4.1)."""
    _, at, _ = _element(der, 0)  # Certificate
    _, at, _ = _element(der, at)  # TBSCertificate
    if der[at] == _VERSION:
        _, _, at = _element(der, at)
    for _ in range(3):  # serial number, signature, issuer
        _, _, at = _element(der, at)
    _, at, _ = _element(der, at)  # Validity
    _, _, at = _element(der, at)  # notBefore
    kind, begin, end = _element(der, at)
    return datetime.strptime(der[begin:end].decode("ascii"), _TIMES[kind]).replace(tzinfo=UTC)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of an element of DER, and where its content begins and ends."""
    kind, length, begin = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + size], "big"), begin + size
    return kind, begin, begin + length


UNASKED = "; perhaps it wants a certificate of ours (cert_file, key_file), or another one"
"""What it may mean that a server shook hands by TLS and then said nothing: by TLS 1.3 it looks at a
client's certificate after the client believes that all is well."""


def why(error: ssl.SSLError) -> str:
    """Say in a few words why no TLS came about, and what may mend that."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = str(error.verify_message).rstrip(".")
        begin = said[:2] if said[:2].isupper() else said[:2].lower()  # "IP address mismatch"
        return f"its certificate is refused: {begin}{said[2:]}{_cure(said)}"
    reason = error.reason or str(error)
    return _WORDS.get(reason, f"no TLS: {reason.replace('_', ' ').lower()}")


def _cure(said: str) -> str:
    return "; name its authority in ca_file" if "issuer" in said or "self-signed" in said else ""


_UNWANTED = "it refuses our certificate (cert_file)"
_WORDS = {
    "WRONG_VERSION_NUMBER": "it speaks no TLS there",
    "RECORD_LAYER_FAILURE": "it speaks no TLS there",
    "HTTP_REQUEST": "it speaks no TLS, and asks by http://",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of ours: cert_file, key_file",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it wants another TLS, or a certificate of ours (cert_file)",
    "TLSV1_ALERT_UNKNOWN_CA": _UNWANTED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _UNWANTED,
    "SSLV3_ALERT_BAD_CERTIFICATE": _UNWANTED,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "NO_SHARED_CIPHER": "there is no cipher that both sides know",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS of 1.2 or newer",
}
