"""The module drives a Nova that asks who is up: a process with Nova in it, and orders to it."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

PROGRAM = Path(__file__).with_name("asking.py")

BACKENDS = (
    "dogpile.cache.memcached",
    "oslo_cache.memcache_pool",
    "dogpile.cache.pymemcache",
    "dogpile.cache.bmemcached",
)
"""All of oslo.cache that ask a memcached, and that PyPI brings."""

Options = Mapping[str, Mapping[str, object]]


def options_of(backend: str, address: str, **cache: object) -> Options:
    """Return a controller's nova.conf, as `docs/nova.md` has it but for the backend."""
    return {
        "DEFAULT": {"servicegroup_driver": "mc", "service_down_time": 60},
        "cache": {
            "enabled": True,
            "backend": backend,
            "memcache_servers": [address],
            "memcache_dead_retry": 0,
            **cache,
        },
    }


class NovaAsker:
    """A `NovaAsker` is a running Nova. What it said instead of getting ready is in ``failed``."""

    def __init__(self, python: Path, options: Options) -> None:
        command = [str(python), "-W", "ignore", str(PROGRAM), json.dumps(options)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.failed: str = self._answer().get("failed", "")

    def is_up(self, host: str, topic: str = "compute") -> bool:
        """Say what ``service_is_up`` says."""
        up: bool = self.ask([host], topic)[host][0]
        return up

    def ask(
        self, hosts: Sequence[str], topic: str = "compute"
    ) -> dict[str, tuple[bool, float | None]]:
        """Return of each host whether it is up, and how many seconds ago it was updated, if ever."""
        answer = self.order("ask", hosts=list(hosts), topic=topic)
        return {host: (up, age) for host, (up, age) in answer["hosts"].items()}

    def order(self, order: str, **facts: object) -> Any:
        """Return the answer to an order."""
        self.begin(order, **facts)
        answer = self._answer()
        assert "failed" not in answer, answer
        return answer

    def begin(self, order: str, **facts: object) -> None:
        """Give an order whose answer is fetched later."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **facts}) + "\n")
        self._process.stdin.flush()

    def end_watch(self) -> dict[str, dict[str, int]]:
        """Return what was said of each host, and how often, since the watch began."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seen: dict[str, dict[str, int]] = self._answer()["seen"]
        return seen

    def finish(self) -> Any:
        """Return the answer to what was begun."""
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "Nova's process ended; what it said is above"
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()
