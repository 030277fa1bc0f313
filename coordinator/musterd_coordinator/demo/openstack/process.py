"""The module runs programs of Nova's environment, and gives them orders in lines of JSON."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from musterd.errors import ConfigError
from musterd.testing.busy import in_time

LONGEST = 1 << 20  # bytes of an answer
ANSWER = 120.0
"""Seconds for an answer on an idle machine: the first comes when Nova has made its tables."""


class NovaProcess:
    """A `NovaProcess` is one of them. It ends when whoever started it does, whose pipe ends then."""

    def __init__(self, process: Process, log: Path) -> None:
        self._process, self._log = process, log
        assert process.stdout is not None
        self._answers = BufferedByteReceiveStream(process.stdout)
        self._turn = anyio.Lock()
        self.ready: Any = None

    @classmethod
    @asynccontextmanager
    async def running(cls, python: Path, log: Path, *words: str | Path) -> AsyncIterator[Self]:
        """Run a program until the block ends; what it said when it was ready is in ``ready``.

        It may write of its troubles to the file ``log``. Raises ConfigError when it ends instead.
        """
        # Nova's own modules are found where they always are, and none of ours beside the program.
        command = [str(python), "-I", "-W", "ignore", *map(str, words)]
        with log.open("wb") as errors:
            process = await anyio.open_process(command, stdin=subprocess.PIPE, stderr=errors)
        try:
            made = cls(process, log)
            made.ready = await made._answer()
            yield made
        finally:
            with suppress(ProcessLookupError):  # it has ended
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()

    async def order(self, order: str, **facts: object) -> Any:
        """Return the answer to an order. Raises ConfigError when it ended."""
        line = json.dumps({"order": order, **facts}).encode() + b"\n"
        async with self._turn:
            assert self._process.stdin is not None
            try:
                await self._process.stdin.send(line)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                raise self._ended() from None
            return await self._answer()

    async def _answer(self) -> Any:
        try:
            with in_time(ANSWER):
                return json.loads(await self._answers.receive_until(b"\n", LONGEST))
        except (anyio.IncompleteRead, anyio.EndOfStream):
            raise self._ended() from None

    def _ended(self) -> ConfigError:
        said = self._log.read_text(errors="replace").strip().splitlines() or ["without a word"]
        return ConfigError(f"--nova: Nova's process ended: {said[-1]}")
