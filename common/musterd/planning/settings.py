"""A plan has whole TOML files of settings; the host names in them are for the reader to change."""

from collections.abc import Iterator

from musterd.planning.model import BEHIND, Need, Question, StoreKind


def settings(question: Question, down_time: float, need: Need) -> dict[str, str]:
    """Return the files by what reads them.

    That is ``agent``, ``coordinator``, and ``relay`` where there are some.
    """
    beats_to, read_from = _urls(question, need)
    by_tls = {"ca_file": _AUTHORITY} if "+tls:" in beats_to else {}
    files = {
        "agent": _toml({"store": beats_to, **by_tls}, _times(question, down_time)),
        "coordinator": _toml(
            {"store": read_from, "listen": "0.0.0.0:8420", **_CERTIFICATE},
            {"service_down_time": down_time, "sweep_period": need.sweep_period},
        ),
    }
    if question.store in BEHIND:
        relay = {"store": read_from, "relay_listen": "0.0.0.0:11411", **_CERTIFICATE}
        files["relay"] = _toml(relay, _times(question, down_time))
    return files


def server_advice(question: Question, need: Need) -> str:
    """Say how to start the store's server."""
    connections = need.server_connections + max(64, need.server_connections // 10)
    match question.store:
        case StoreKind.MEMCACHED:
            megabytes = max(64, round(2 * need.server_memory / 2**20))
            return f"memcached -m {megabytes} -c {connections} -t 4"
        case StoreKind.EMBEDDED:
            return "no server; raise the coordinator's limit of open files (ulimit -n)"
        case StoreKind.MARIADB | StoreKind.RELAY_MARIADB:
            return f"MariaDB with max_connections = {connections}, max_heap_table_size = 512M"
        case _:
            return (
                f"PostgreSQL with max_connections = {connections},"
                " and before version 17 wal_writer_flush_after = 0"
            )


def _urls(question: Question, need: Need) -> tuple[str, str]:
    match question.store:
        case StoreKind.MEMCACHED:
            url = f"memcached://{_hosts('memcached', need.servers, 11211)}?replicas=2"
            return url, url
        case StoreKind.EMBEDDED:
            return "embedded+tls://coordinator-1:11311", "embedded+tls://coordinator-1:11311"
        case StoreKind.RELAY | StoreKind.RELAY_MARIADB:
            kind = BEHIND[question.store]
            return f"relay+tls://{_hosts('relay', need.relays, 11411)}", _DATABASES[kind]
        case kind:
            read_from = _DATABASES[kind]
            return read_from.replace("musterd@", "musterd_agents@"), read_from


_CERTIFICATE = {"tls_cert_file": "/etc/musterd/tls.crt", "tls_key_file": "/etc/musterd/tls.key"}
"""What other hosts reach is refused without."""

_AUTHORITY = "/etc/musterd/ca.crt"
_DATABASES = {
    StoreKind.POSTGRESQL: "postgresql://musterd@database/musterd",
    StoreKind.MARIADB: "mysql://musterd@database/musterd",
}


def _hosts(name: str, count: int, port: int) -> str:
    return ",".join(f"{name}-{number}:{port}" for number in range(1, count + 1))


def _times(question: Question, down_time: float) -> dict[str, float]:
    return {"interval": question.interval, "service_down_time": down_time}


def _toml(texts: dict[str, str], numbers: dict[str, float]) -> str:
    return "\n".join(_lines(texts, numbers)) + "\n"


def _lines(texts: dict[str, str], numbers: dict[str, float]) -> Iterator[str]:
    for key, text in texts.items():
        yield f'{key} = "{text}"'
    for key, number in numbers.items():
        yield f"{key} = {number:.12g}"
