"""A real RabbitMQ for tests: a node, a folder and an epmd of its own, all on free ports of loopback."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path

from musterd.testing.processes import HeldPort, Server, find_program
from tests.patiently import until

SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The one on PATH changes to a user and to folders of the system's own node."""

LIGHT = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
"""One scheduler that does not spin: others need the processors."""

_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD = b"\x01"  # of which kind the first frame is that a broker answers


class Epmd(Server):
    """An `Epmd` knows the ports of Erlang's nodes. Without one they start their own, which nobody ends."""

    users = ("rabbitmq",)

    def _command(self) -> list[str]:
        epmd = str(find_program("epmd", "rabbitmq-server"))
        return [epmd, "-port", str(self.port), "-address", self.host]

    def _is_ready(self) -> bool:
        return self.accepts()


class RabbitMq(Server):
    """A `RabbitMq` takes the login guest, and keeps what is durable while it is stopped."""

    users = ("rabbitmq",)

    def __init__(self) -> None:
        super().__init__()
        self._epmd = Epmd()
        self._between_nodes = HeldPort()

    @property
    def url(self) -> str:
        """Where oslo.messaging finds it."""
        return f"rabbit://guest:guest@{self.address}//"

    def start(self) -> "RabbitMq":
        if not self._epmd.is_running:
            self._epmd.start()
        return super().start()

    def kill(self) -> None:
        """Kill all its processes; its threads end, and give up the port, a moment after it is a zombie."""
        super().kill()
        until(lambda: not self.accepts(), "gone")

    def close(self) -> None:
        super().close()
        self._between_nodes.release()
        self._epmd.close()

    @cached_property
    def _environ(self) -> dict[str, object]:
        here = self.directory  # where Erlang's cookie is made, too: it is at home there
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "ERL_EPMD_PORT": self._epmd.port,
            "RABBITMQ_CONF_ENV_FILE": here / "none.conf",
            "RABBITMQ_CONFIG_FILE": here / "none",
            "RABBITMQ_DIST_PORT": self._between_nodes.number,
            "RABBITMQ_ENABLED_PLUGINS_FILE": here / "plugins",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": here,
            "RABBITMQ_MNESIA_BASE": here / "mnesia",
            "RABBITMQ_NODENAME": "musterd@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_PID_FILE": here / "rabbit.pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{LIGHT} {loopback}",
        }

    def _command(self) -> list[str]:
        return ["env", *(f"{name}={value}" for name, value in self._environ.items()), str(SCRIPT)]

    def _is_ready(self) -> bool:
        with suppress(OSError), self.connect(1.0) as client:
            client.sendall(_HEADER)
            return client.recv(1) == _METHOD
        return False
