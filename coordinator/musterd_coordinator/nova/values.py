"""Keys and values are those of Nova's driver ``mc``, as oslo.cache's backends for memcached keep them.

The key is SHA-1 in hexadecimal digits of ``topic:host`` (``nova/servicegroup/drivers/mc.py``, and
``_sha1_mangle_key`` in ``oslo_cache/core.py``), with nothing before it. The value is a pickle of
dogpile.cache's ``CachedValue``: a naive UTC datetime, and a mapping with ``ct``, the wall clock of who
stored it. A reader takes a value for old when its own clock is more than service_down_time beyond
``ct`` (``dogpile/cache/region.py``). So the ``ct`` here is in the year 2100, and no clock decides.
"""

from datetime import UTC, datetime
from hashlib import sha1
from struct import Struct

FLAGS = 1
"""It is a pickle, to python-memcached, pymemcache and python-binary-memcached alike."""

CREATED = 4_102_444_800.0
"""``ct``: 2100-01-01, in Unix seconds."""

_DATE = Struct("!HBBBBB")  # and three bytes of microseconds: how datetime pickles itself
_BEGIN = b"\x80\x03cdogpile.cache.api\nCachedValue\ncdatetime\ndatetime\nC\x0a"
_END = (
    b"\x85R}(X\x02\x00\x00\x00ctG"
    + Struct("!d").pack(CREATED)
    + b"X\x01\x00\x00\x00vK\x02u\x86\x81."
)


def key_of(topic: str, host: str) -> bytes:
    """Return the key under which Nova looks for the service of ``topic`` on ``host``."""
    return sha1(f"{topic}:{host}".encode(), usedforsecurity=False).hexdigest().encode()


def value_of(seen: float) -> bytes:
    """Return the value of a service that was last seen at ``seen``, in Unix seconds.

    It is a pickle of protocol 3, for all that read it, made by hand: neither dogpile.cache nor
    pickle is needed. It has the same 96 bytes but for the time.
    """
    at = datetime.fromtimestamp(seen, UTC)
    date = _DATE.pack(at.year, at.month, at.day, at.hour, at.minute, at.second)
    return _BEGIN + date + at.microsecond.to_bytes(3) + _END
