"""The module starts memcached and PostgreSQL behind TLS and passwords, as a platform runs them."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from musterd.testing.authority import Certificate
from musterd.testing.processes import Server
from musterd.testing.servers import Memcached, Postgres


def own_file(server: Server, name: str, content: bytes) -> str:
    """Write a file that the server's user can read, and nobody else."""
    file = server.directory / name
    file.write_bytes(content)
    file.chmod(0o400)
    if server.account:
        shutil.chown(file, server.account.pw_uid, server.account.pw_gid)
    return str(file)


class SecuredPostgres(Postgres):
    """A `SecuredPostgres` speaks TLS with ``certificate`` to whoever wants that."""

    def __init__(self, certificate: Certificate, **settings: object) -> None:
        super().__init__(**settings)
        self.settings |= {
            "ssl": "on",
            "ssl_cert_file": own_file(self, "tls.crt", Path(certificate.cert).read_bytes()),
            "ssl_key_file": own_file(self, "tls.key", Path(certificate.key).read_bytes()),
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
        if certificate is not None:
            self.args = (*self.args, *self._by_tls(certificate, client_ca))
        if passwords:
            lines = [f"{user}:{password}\n" for user, password in passwords.items()]
            self.args = (*self.args, "-Y", own_file(self, "passwords", "".join(lines).encode()))

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
