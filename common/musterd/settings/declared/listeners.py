"""The module declares the options of what other hosts connect to: doors in common, and relays."""

from musterd.settings.options import FILE, Option, Role, Seconds, Switch, Text, check_address

TLS_CERT_FILE = Option(
    "The certificate by which the coordinator's API and the relay speak TLS, and nothing else;"
    " and the embedded store where that is embedded+tls://. In PEM, with those between it and"
    " its authority behind it. A renewed one is taken as it comes.",
    FILE,
    "/etc/musterd/tls.crt",
    Role.LISTENER,
    when_unset="none: no TLS",
)

TLS_KEY_FILE = Option(
    "The private key of tls_cert_file, in PEM, without a passphrase.",
    FILE,
    "/etc/musterd/tls.key",
    Role.LISTENER,
    when_unset="in tls_cert_file",
)

TLS_CLIENT_CA_FILE = Option(
    "The authorities of clients, in PEM: who connects by TLS must then show a certificate that"
    " one of them signed.",
    FILE,
    "/etc/musterd/clients.crt",
    Role.LISTENER,
    when_unset="none: clients show no certificate",
)

INSECURE_LISTEN = Option(
    "Listen on addresses that other hosts reach without TLS, or without anything that says who"
    " calls. Each start warns of it.",
    Switch(),
    "true",
    Role.LISTENER,
    when_unset="false: such an address is refused",
)

RELAY_LISTEN = Option(
    "Where the relay takes the beats of agents whose store is relay://.",
    Text("host:port, or [address]:port for IPv6", "HOST:PORT", check_address),
    "0.0.0.0:11411",
    Role.RELAY,
)

RELAY_METRICS = Option(
    "Where the relay answers GET /metrics for Prometheus: by TLS where it has a certificate, and to other"
    " hosts only if they show one, by tls_client_ca_file.",
    Text("host:port, or [address]:port for IPv6", "HOST:PORT", check_address),
    "127.0.0.1:11412",
    Role.RELAY,
    when_unset="none: it does not",
)

RELAY_PERIOD = Option(
    "Seconds between two writes to the database; a beat is acknowledged when it was"
    " committed there, so it takes as long at most, and the write.",
    Seconds(0.01, 5.0),
    "0.5",
    Role.RELAY,
)
