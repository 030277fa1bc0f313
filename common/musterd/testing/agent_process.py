"""The module starts a real `musterd agent` process, and watches it as systemd would."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from musterd.testing.busy import Patience, status_of

COMMAND = (sys.executable, "-m", "musterd")
TIMEOUT = 60.0
"""Seconds to wait for what takes a few on an idle machine; a busy one has more of them."""


class AgentProcess:
    """An `AgentProcess` is `musterd agent` with these options.

    It is killed at the end of the block if it still runs. ``began`` is when it was started, by
    `time.monotonic`.
    """

    def __init__(
        self,
        store: str,
        *options: str,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = (*COMMAND, "agent"),
    ) -> None:
        address = f"musterd-{secrets.token_hex(8)}"
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind("\0" + address)
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the block
        ours = {key: value for key, value in os.environ.items() if not key.startswith("MUSTERD_")}
        theirs = {"MUSTERD_STORE": store, "NOTIFY_SOCKET": f"@{address}", **(environ or {})}
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            [*command, *options], env=ours | theirs, stdout=self._output, stderr=self._output
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """Return all that it printed so far."""
        self._output.seek(0)
        return self._output.read()

    def next_notification(self, within: float = TIMEOUT) -> str:
        """Return the next message to the service manager; raise TimeoutError if it is too late."""
        self._manager.settimeout(within)
        return self._manager.recv(4096).decode()

    def wait_for(self, word: str, within: float = TIMEOUT) -> float:
        """Read messages up to the one that holds ``word``.

        Return when it came, by `time.monotonic`; raise TimeoutError if it does not come in time.
        """
        patience, heard = Patience(within), [""]
        while left := patience.left:
            with suppress(TimeoutError):
                heard.append(self.next_notification(left))
            if word in heard[-1]:
                return time.monotonic()
        raise TimeoutError(f"{word!r} was not said, but {heard}; output:\n{self.output}")

    def wait_for_output(self, word: str, within: float = TIMEOUT) -> None:
        """Wait until it printed ``word``; raise TimeoutError if it does not in time."""
        patience = Patience(within)
        while word not in self.output:
            if patience.is_over:
                raise TimeoutError(f"{word!r} was not printed, but:\n{self.output}")
            time.sleep(0.01)

    def sockets(self) -> int:
        """Return how many sockets it has open."""
        files = Path(f"/proc/{self.pid}/fd").iterdir()
        return sum(str(file.readlink()).startswith("socket:") for file in files)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait_exit(self, within: float = TIMEOUT) -> tuple[int, float]:
        """Wait until it ended; return its exit status, and the seconds that took from now."""
        began = time.monotonic()
        status = status_of(self._process, within)
        return status, time.monotonic() - began

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send the signal; return its exit status, and the seconds it took to end."""
        self.send(number)
        return self.wait_exit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.wait()
        self._manager.close()
        self._output.close()
