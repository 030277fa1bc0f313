"""The module starts memcached, PostgreSQL and MariaDB behind TLS and passwords, as a platform runs them."""

import shutil
import socket
import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from musterd.testing.authority import Certificate
from musterd.testing.mariadb import SUPERUSER as DBA
from musterd.testing.mariadb import MariaDb
from musterd.testing.processes import Server
from musterd.testing.servers import SUPERUSER, Memcached, PgBouncer, Postgres


def own_file(server: Server, name: str, content: bytes) -> str:
    """Write a file that the server's user can read, and nobody else."""
    file = server.directory / name
    file.write_bytes(content)
    file.chmod(0o400)
    if server.account:
        shutil.chown(file, server.account.pw_uid, server.account.pw_gid)
    return str(file)


def own_files(server: Server, certificate: Certificate) -> Certificate:
    """Write a certificate and its key as files that the server's user can read."""
    return Certificate(
        own_file(server, "tls.crt", Path(certificate.cert).read_bytes()),
        own_file(server, "tls.key", Path(certificate.key).read_bytes()),
    )


class SecuredPostgres(Postgres):
    """A `SecuredPostgres` speaks TLS with ``certificate`` to whoever wants that.

    With ``ca_file``, the authority's, it speaks nothing else, and its URLs have it checked.
    """

    def __init__(
        self, certificate: Certificate, ca_file: str | None = None, /, **settings: object
    ) -> None:
        super().__init__(**settings)
        own = own_files(self, certificate)
        self.settings |= {"ssl": "on", "ssl_cert_file": own.cert, "ssl_key_file": own.key}
        self._checked = ""
        if ca_file is not None:
            own_ca = own_file(self, "ca.crt", Path(ca_file).read_bytes())
            self._checked = f"?sslmode=verify-full&sslrootcert={own_ca}"
            self._refuse_plain()

    def dsn_of(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the URL of a database, for the superuser or for a role that the test made."""
        return super().dsn_of(database, user, password) + self._checked

    def _refuse_plain(self) -> None:
        rules = self.data / "pg_hba.conf"
        rules.write_text(rules.read_text().replace("\nhost ", "\nhostssl "))


class SecuredMariaDb(MariaDb):
    """A `SecuredMariaDb` speaks TLS with ``certificate`` to whoever wants that.

    Certificates of clients are those of ``ca_file``, the authority's.
    """

    client_options = ("--ssl",)

    def __init__(self, certificate: Certificate, ca_file: str, /, **settings: object) -> None:
        super().__init__(**settings)
        own = own_files(self, certificate)
        own_ca = own_file(self, "ca.crt", Path(ca_file).read_bytes())
        self.settings |= {"ssl-cert": own.cert, "ssl-key": own.key, "ssl-ca": own_ca}
        self._certificate = certificate

    @cached_property
    def client_tls(self) -> ssl.SSLContext | None:
        """Return what its clients speak TLS with, where they do."""
        return self._certificate.trusting()


class LockedMariaDb(SecuredMariaDb):
    """A `LockedMariaDb` speaks TLS and nothing else, and its URLs have its certificate checked."""

    def __init__(self, certificate: Certificate, ca_file: str, /, **settings: object) -> None:
        super().__init__(certificate, ca_file, require_secure_transport="on", **settings)
        self._ca_file = ca_file

    def url_of(self, database: str, user: str = DBA, password: str | None = None) -> str:
        """Return the URL of a database, for the superuser or for an account that the test made."""
        return f"{super().url_of(database, user, password)}?ssl_ca={self._ca_file}"


class SecuredPgBouncer(PgBouncer):
    """A `SecuredPgBouncer` speaks TLS only, with ``certificate``, to clients and to the server."""

    def __init__(self, postgres: Postgres, certificate: Certificate, **settings: object) -> None:
        super().__init__(postgres, **settings)
        own = own_files(self, certificate)
        self.settings |= {
            "client_tls_sslmode": "require",
            "client_tls_cert_file": own.cert,
            "client_tls_key_file": own.key,
            "server_tls_sslmode": "require",
        }


class SecuredMemcached(Memcached):
    """A `SecuredMemcached` takes TLS only, with ``certificate``, or user and password, or both.

    ``client_ca`` is the authority's file that must have signed its clients' certificates.
    """

    def __init__(
        self,
        *args: str,
        certificate: Certificate | None = None,
        client_ca: str | None = None,
        passwords: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(*args)
        self._certificate = certificate
        self._passwords = dict(passwords or {})
        if certificate is not None:
            self.scheme = "memcached+tls"
            self.args = (*self.args, *self._by_tls(certificate, client_ca))
        if passwords:
            user, password = next(iter(passwords.items()))
            self.login = f"{quote(user)}:{quote(password)}@"
            lines = [f"{user}:{password}\n" for user, password in passwords.items()]
            self.args = (*self.args, "-Y", own_file(self, "passwords", "".join(lines).encode()))

    @cached_property
    def client_tls(self) -> ssl.SSLContext | None:
        """Return what its clients speak TLS with, if it does."""
        return self._certificate and self._certificate.trusting()

    def connect(
        self, timeout: float = 5.0, *, source: str = "", port: int | None = None
    ) -> socket.socket:
        """Return a connection as its clients have one, logged in."""
        connection = super().connect(timeout, source=source, port=port)
        for user, password in self._passwords.items():
            login = f"{user} {password}".encode()
            connection.sendall(b"set login 0 0 %d\r\n%b\r\n" % (len(login), login))
            if connection.recv(100) != b"STORED\r\n":
                connection.close()
                raise ConnectionRefusedError("memcached refuses this login")
            break
        return connection

    def _by_tls(self, certificate: Certificate, client_ca: str | None) -> list[str]:
        options = {"ssl_chain_cert": certificate.cert, "ssl_key": certificate.key}
        if client_ca is not None:
            options["ssl_ca_cert"] = client_ca
        own = {
            key: own_file(self, key, Path(file).read_bytes()) for key, file in options.items()
        } | ({"ssl_verify_mode": "2"} if client_ca else {})
        return ["-Z", "-o", ",".join(f"{key}={value}" for key, value in own.items())]

    def _is_ready(self) -> bool:
        return self.accepts()
