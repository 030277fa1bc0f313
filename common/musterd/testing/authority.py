"""A certificate authority of our own, for tests, benchmarks and the demo: openssl's, in a directory."""

import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from musterd.testing.processes import ServerError, find_program, owned_directory

_NAMES = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
_AGE = timedelta(days=2)
"""How old every certificate is: as elsewhere, a host whose clock is a few hours slow can use it."""
_SETTINGS = """\
[ca]
default_ca = own
[own]
new_certs_dir = {directory}
database = {directory}/index
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any_name
copy_extensions = copyall
x509_extensions = identifiers
[any_name]
commonName = supplied
[identifiers]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Certificate(NamedTuple):
    """A `Certificate` says where a certificate and its key are."""

    cert: str
    key: str

    def serving(self) -> ssl.SSLContext:
        """Return what a server shows it with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    def trusting(self) -> ssl.SSLContext:
        """Return what a client has that trusts this certificate, whoever signed it."""
        context = ssl.create_default_context(cafile=self.cert)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


class Authority:
    """An `Authority` signs what it is asked to; its files are gone when we are."""

    def __init__(self, name: str = "authority") -> None:
        self._directory = owned_directory(None)
        self._own = self._pair("ca")
        (self._directory / "index").touch()
        settings = _SETTINGS.format(directory=self._directory)
        (self._directory / "settings").write_text(settings)
        own = "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"
        request = _request(self._own, name, *own)
        self._sign(self._own, request, 10, "-selfsign")

    @property
    def file(self) -> str:
        """Return the authority's own certificate."""
        return self._own.cert

    def issue(self, name: str = "server", *names: str, days: int = 5) -> Certificate:
        """Sign a certificate for ``name``, as CN, and ``names`` such as ``DNS:host`` (this host's).

        With negative ``days`` it has expired already.
        """
        made = self._pair(name)
        request = _request(made, name, f"subjectAltName={','.join(names or _NAMES)}")
        self._sign(made, request, days, "-cert", self._own.cert)
        return made

    def renew(self, made: Certificate, *names: str, days: int = 5) -> None:
        """Put a new certificate with a new key where ``made`` is, as a renewal would: by renaming."""
        newer = self.issue(f"{Path(made.cert).stem}-newer", *names, days=days)
        shutil.move(newer.key, made.key)
        shutil.move(newer.cert, made.cert)

    def locked(self, made: Certificate) -> Certificate:
        """Give ``made`` with its key behind a passphrase."""
        locked = made._replace(key=made.key + ".locked")
        _openssl("ec", "-aes128", "-passout", "pass:secret", "-in", made.key, "-out", locked.key)
        return locked

    def _sign(self, made: Certificate, request: str, days: int, *by: str) -> None:
        """Make a certificate of a ``request``, as one was that ends in so many ``days``."""
        now = datetime.now(UTC)
        begin, end = (f"{at:%Y%m%d%H%M%SZ}" for at in (now - _AGE, now + timedelta(days=days)))
        _openssl(
            *("ca", "-batch", "-notext", "-config", str(self._directory / "settings")),
            *("-startdate", begin, "-enddate", end, "-keyfile", self._own.key, *by),
            *("-in", request, "-out", made.cert),
        )

    def _pair(self, name: str) -> Certificate:
        return Certificate(
            str(self._directory / f"{name}.crt"), str(self._directory / f"{name}.key")
        )


def _request(made: Certificate, name: str, *extensions: str) -> str:
    """Make the key of ``made`` and a request for its certificate; return where that is."""
    request = made.cert + ".request"
    more = [word for extension in extensions for word in ("-addext", extension)]
    _openssl(*("req", *_KEY, "-subj", f"/CN={name}", *more), "-keyout", made.key, "-out", request)
    return request


def _openssl(*arguments: str) -> None:
    program = find_program("openssl", "openssl")
    done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
