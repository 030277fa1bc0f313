"""The module declares what agents, coordinators and relays of one fleet share."""

from musterd.settings.options import (
    DAY,
    FILE,
    Choice,
    Option,
    Role,
    Seconds,
    Text,
    check_namespace,
    check_store,
)

SIGNATURE_MODES = ("off", "accept", "require")

STORE = Option(
    "Where beats go: memcached://h1:11211,h2:11211?replicas=2,"
    " postgresql://user@host:5432/db, mysql://user@host:3306/db (MariaDB; with the extra mysql),"
    " relay://r1:11411,r2:11411 (agents only: relays that"
    " write to a database), embedded://host:port (the coordinator itself listens there),"
    " memory: (one process only) or, for coordinators that watch Nova's own services,"
    " nova+mysql://user@host/nova_api or nova+postgresql://… (docs/watching.md)."
    " memcached+tls://, relay+tls:// and embedded+tls:// are the"
    " same by TLS; memcached://user:password@h1 logs in.",
    Text(
        "the URL of a store, as in memcached://mc1:11211",
        "URL",
        check_store,
    ),
    "memcached://mc1:11211,mc2:11211",
    secret=True,
)

NAMESPACE = Option(
    "Keeps fleets that share a store apart; agents and coordinators must agree on it.",
    Text("1 to 32 letters, digits and _ . -", "NAME", check_namespace),
    "lab",
)

SERVICE_DOWN_TIME = Option(
    "Seconds without a new beat, counted only while the store could carry one, after which"
    " a member is down.",
    Seconds(0.1, DAY),
    "60",
)

LOG_LEVEL = Option(
    "The least important log lines that are written.",
    Choice("debug", "info", "warning", "error"),
    "warning",
)

LOG_FORMAT = Option(
    "How log lines look.",
    Choice("console", "json"),
    "json",
    when_unset="console on a terminal, json otherwise",
)

FLEET_KEY_FILE = Option(
    "The file with the fleet key, as `musterd keygen` makes it: for coordinators and relays,"
    " which check by it whose beat it is, and for agents of a fleet that is small enough to"
    " give it to every host.",
    FILE,
    "/etc/musterd/fleet.key",
    when_unset="none",
    flag_name="fleet-key",
)

SIGNATURES = Option(
    "What coordinators and relays make of beats and announcements without a signature: off"
    " looks at none, accept checks those that there are, and require believes no others.",
    Choice(*SIGNATURE_MODES),
    "accept",
    when_unset="require where there is a fleet_key_file, else off",
)

CA_FILE = Option(
    "The authorities that must have signed the certificates of servers reached by TLS, in PEM.",
    FILE,
    "/etc/musterd/ca.crt",
    Role.CONNECTION,
    when_unset="those that the system trusts",
)

CERT_FILE = Option(
    "The certificate to show to servers reached by TLS that ask for one, in PEM, with those"
    " between it and its authority behind it.",
    FILE,
    "/etc/musterd/client.crt",
    Role.CONNECTION,
    when_unset="none",
)

KEY_FILE = Option(
    "The private key of cert_file, in PEM, without a passphrase.",
    FILE,
    "/etc/musterd/client.key",
    Role.CONNECTION,
    when_unset="in cert_file",
)
