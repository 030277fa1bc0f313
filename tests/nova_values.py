"""What Nova's driver keeps in memcached, as its clients pickle it: without Nova and dogpile.cache."""

import pickle
import sys
from types import ModuleType
from typing import Any, NamedTuple


class CachedValue(NamedTuple):
    """As dogpile.cache has it, by its name there."""

    payload: Any
    metadata: dict[str, Any]


CachedValue.__module__ = "dogpile.cache.api"
for name in ("dogpile", "dogpile.cache", "dogpile.cache.api"):
    sys.modules.setdefault(name, ModuleType(name)).__dict__["CachedValue"] = CachedValue


def cached(payload: object, protocol: int) -> bytes:
    """A value as dogpile.cache makes it, pickled."""
    return pickle.dumps(CachedValue(payload, {"ct": 1_764_514_145.158_7, "v": 2}), protocol)


def unpickled(value: bytes) -> CachedValue:
    """What a reader finds."""
    found = pickle.loads(value)  # noqa: S301  # of our own making
    assert isinstance(found, CachedValue)
    return found
