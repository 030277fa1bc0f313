"""What is reached from other hosts is locked, or refused: nothing is open there by oversight."""

import anyio
import structlog

from musterd.errors import ConfigError
from musterd.resolving import shared
from musterd_coordinator.process.binding import is_loopback

log = structlog.get_logger(__name__)

_LOOK_UP = 5.0  # seconds for a name; one that is not known then is none of this host alone

MAKE_A_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365"
    ' -subj "/CN=$(hostname)" -addext "subjectAltName=DNS:$(hostname)"'
    " -keyout /etc/musterd/tls.key -out /etc/musterd/tls.crt"
)
GET_KNOWN = "musterd token create --name me --role admin"


async def is_local(host: str) -> bool:
    """Say whether ``host``, a name or an address, is reached from this host only."""
    try:
        with anyio.fail_after(_LOOK_UP):
            addresses = await shared().addresses(host)
    except (OSError, TimeoutError):
        return False
    return all(map(is_loopback, addresses))


def check(what: str, address: str, lacks: list[str], *, insecure: bool) -> None:
    """Raise ConfigError for an ``address`` that others reach and that ``lacks`` something.

    Where ``insecure`` that is only said in the log.
    """
    if not lacks:
        return
    if insecure:
        log.warning("listening insecurely", what=what, address=address, lacks=lacks)
        return
    raise ConfigError(
        f"{what} would listen on {address}, which other hosts reach, without {' and '.join(lacks)}:"
        f" {'; '.join(_CURES[lack] for lack in lacks)}; or insecure_listen = true where only hosts"
        " that you trust reach it"
    )


TLS, CALLERS = "TLS", "anything that says who calls"
_CURES = {
    TLS: f"make a certificate ({MAKE_A_CERTIFICATE}) and name it in tls_cert_file and tls_key_file",
    CALLERS: f"make a token ({GET_KNOWN}), or name your clients' authority in tls_client_ca_file",
}
