"""A real Alertmanager of the test's own."""

from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

import msgspec

from musterd.testing.processes import Server, ServerError, find_program

CONFIG = {"route": {"receiver": "nobody", "group_wait": "1s"}, "receivers": [{"name": "nobody"}]}
NAME = "prometheus-alertmanager"
HOW = f"{NAME} is not on PATH: `make rules` installs it (11 MB, 42 on disk), or do apt-get install {NAME}"


class RealAlertmanager(Server):
    """One Alertmanager without a cluster, which tells nobody."""

    users = ("prometheus", "nobody")

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def alerts(self) -> dict[str, dict[str, Any]]:
        """The alerts that go on, by the id of the incident, or by name where they have none."""
        found = msgspec.json.decode(self._get("/api/v2/alerts"))
        return {one["labels"].get("incident", one["labels"]["alertname"]): one for one in found}

    def _get(self, path: str) -> bytes:
        with closing(HTTPConnection(self.host, self.port, timeout=10.0)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()

    def _command(self) -> list[str]:
        config = self.directory / "alertmanager.yml"
        config.write_bytes(msgspec.json.encode(CONFIG))  # which is YAML, too
        try:
            program = find_program(NAME, NAME)
        except ServerError:
            raise ServerError(HOW) from None
        return [
            str(program),
            f"--config.file={config}",
            f"--storage.path={self.directory}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]

    def _is_ready(self) -> bool:
        with suppress(OSError, HTTPException):
            return b"OK" in self._get("/-/ready")
        return False
