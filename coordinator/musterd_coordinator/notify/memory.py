"""What was told survives a restart in a small file, so that nothing is told twice or left hanging."""

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import structlog

from musterd_coordinator.notify.bulletin import Announced

log = structlog.get_logger(__name__)

_MOST = 16 * 1024 * 1024  # bytes; a thousand incidents take some megabytes at most
_PRIVATE = 0o600


class _Kept(msgspec.Struct, frozen=True):
    """A `_Kept` is the content of the file: ``told`` is whom it was told."""

    format: int
    told: str
    announced: Sequence[Announced]


class Memory:
    """A `Memory` is the file ``path``, of what was told to ``endpoint``: another one was told nothing."""

    def __init__(self, path: Path, endpoint: str) -> None:
        self._path = path
        self._endpoint = blake2b(endpoint.encode(), digest_size=8).hexdigest()
        self._is_sound = True

    def read(self) -> Sequence[Announced]:
        """Return what is kept; nothing, with a word in the log, where that is of no use."""
        try:
            with self._path.open("rb") as file:
                kept = msgspec.json.decode(file.read(_MOST), type=_Kept)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            log.warning(
                "state not read",
                file=str(self._path),
                reason=str(error),
                note="what goes on is told anew, and nothing that was over meanwhile",
            )
            return []
        return kept.announced if kept.told == self._endpoint and kept.format == 1 else []

    def write(self, announced: Sequence[Announced]) -> None:
        """Put it in place of what was there; say once in the log if that cannot be done."""
        new = self._path.with_name(f".{self._path.name}.new")
        content = msgspec.json.encode(_Kept(1, self._endpoint, announced))
        try:
            number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
            with open(number, "wb") as file:  # noqa: PTH123  (a Path cannot open a descriptor)
                file.write(content)
                file.flush()
                os.fsync(number)
            new.replace(self._path)
        except OSError as error:
            if self._is_sound:
                log.warning("state not written", file=str(self._path), reason=str(error))
            self._is_sound = False
            return
        self._is_sound = True
