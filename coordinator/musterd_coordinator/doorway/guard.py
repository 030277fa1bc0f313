"""What other hosts reach is locked or refused: nothing is open there by oversight."""

import anyio
import structlog

from musterd.errors import ConfigError
from musterd.resolving import shared
from musterd.settings.settings import Settings
from musterd_coordinator.process.binding import is_loopback

log = structlog.get_logger(__name__)

_LOOK_UP = 5.0  # seconds for a name; one that is not known then is none of this host alone

MAKE_A_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365"
    ' -subj "/CN=$(hostname)" -addext "subjectAltName=DNS:$(hostname)"'
    " -keyout /etc/musterd/tls.key -out /etc/musterd/tls.crt"
)
GET_KNOWN = "musterd token create --name me --role admin"

TLS, CALLERS = "TLS", "anything that says who calls"
CERTIFICATES = "certificates of callers"
_CURES = {
    TLS: f"make a certificate (`{MAKE_A_CERTIFICATE}`) and name it in tls_cert_file and tls_key_file",
    CALLERS: f"make a token (`{GET_KNOWN}`) or name your clients' authority in tls_client_ca_file",
    CERTIFICATES: "name the authority of those who may ask in tls_client_ca_file",
}


async def check_api(settings: Settings, *, has_tokens: bool) -> None:
    """Raise ConfigError if the API would be open to other hosts.

    It is not where it speaks TLS and asks who calls: by tokens, or by certificates of clients.
    """
    lacks = [] if settings.tls_cert_file else [TLS]
    if not has_tokens and settings.tls_client_ca_file is None:
        lacks.append(CALLERS)
    for host, _ in settings.listen_addresses if lacks else ():
        if not await is_local(host):
            _refuse(settings, "the API", host, lacks)


async def check_beats(settings: Settings, what: str, host: str, *, by_tls: bool) -> None:
    """Raise ConfigError if ``what``, which takes beats at ``host``, would be open to other hosts."""
    if not by_tls and not await is_local(host):
        _refuse(settings, what, host, [TLS])


async def check_page(settings: Settings, what: str, host: str) -> None:
    """Raise ConfigError if ``what``, which takes no tokens, would answer hosts without a certificate."""
    lacks = [] if settings.tls_cert_file else [TLS]
    if settings.tls_client_ca_file is None:
        lacks.append(CERTIFICATES)
    if lacks and not await is_local(host):
        _refuse(settings, what, host, lacks)


async def is_local(host: str) -> bool:
    """Say whether ``host``, a name or an address, is reached from this host only."""
    try:
        with anyio.fail_after(_LOOK_UP):
            addresses = await shared().addresses(host)
    except (OSError, TimeoutError):
        return False
    return all(map(is_loopback, addresses))


def _refuse(settings: Settings, what: str, host: str, lacks: list[str]) -> None:
    if settings.insecure_listen:
        log.warning(
            "listening insecurely", what=what, host=host, without=lacks, note="insecure_listen"
        )
        return
    raise ConfigError(
        f"{what} would listen on {host}, which other hosts reach, without {' and '.join(lacks)}:"
        f" {'; '.join(_CURES[lack] for lack in lacks)}. Where only hosts that you trust reach it,"
        " set insecure_listen = true"
    )
