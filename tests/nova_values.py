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


_POOLED = (
    b"ccopy_reg\n_reconstructor\np0\n(cdogpile.cache.api\nCachedValue\np1\nc__builtin__\ntuple\np2\n"
    b"(cdatetime\ndatetime\np3\n(c_codecs\nencode\np4\n(V\x07\xea\x0b\x1e\x10\x10\\u000a\x0e&>\np5\n"
    b"Vlatin1\np6\ntp7\nRp8\ntp9\nRp10\n(dp11\nVct\np12\nF1796055370.9274821\nsVv\np13\nI2\nstp14\n"
    b"tp15\nRp16\n."
)
NOVA_34 = {
    "dogpile.cache.memcached": (1, _POOLED),
    "oslo_cache.memcache_pool": (1, _POOLED.replace(b"\\u000a\x0e&>", b"\x0b\\u000a\xdb\x1b")),
    "dogpile.cache.pymemcache": (
        1,
        (
            b"\x80\x05\x95j\x00\x00\x00\x00\x00\x00\x00\x8c\x11dogpile.cache.api\x94\x8c\x0bCachedValue\x94\x93"
            b"\x94\x8c\x08datetime\x94\x8c\x08datetime\x94\x93\x94C\n\x07\xea\x0b\x1e\x10\x10\x0c\x02P\x85\x94\x85"
            b"\x94R\x94}\x94(\x8c\x02ct\x94GA\xda\xc3hS\t\xb6\x8a\x8c\x01v\x94K\x02u\x86\x94\x81\x94."
        ),
    ),
    "dogpile.cache.bmemcached": (
        9,
        (
            b'x\x9c=\x8e\xb1n\xc30\x0cD\xc7"\xd7\x0c\xf9\x82\xce\x99\x0c\xcb\xb6\xecz\x0eP\xa0k\x06\xad\x82J\x0b'
            b'\xa9\x00\xd5"l:@\x7f\xb5\x9f\xd0\x9fh\xe8\xa5\x0b\xefp\xc4\xe3\x91\xa8\xf0\xb7_\xe2\r:\xa8\xcc\xab'
            b",\x1bIY\xc05\xce4\x95\x1b\xa7\x1c+\n\xf4\x19\xab\xc0\t\x97\xddM.\xe4-\x82\r\xc8\xfb\x8f-eI\xb3\xf7"
            b'\x90\x8d\xb3\xa6\xcd\x0e\x06\x89\x92\xbe"\xfe\r\xb7\x1a{*S\xa4\x15q\xde\r\xb8\xc3\xd9=\xfd>\xbf'
            b"\x9cN\xc7\xc3\xdf\x0f\xd8\xc2\xe5\xa0\xc7\x0c\xb8\x87\xf0\x80+\xbf\xaa\x8e\xaaF\xff\x99\xd8\x188\x12"
            b"mn\xf0f\x86\xb1\xaf\xadm\x87\xa6\xea\xad\xed\xea\x11\xab\xbb\xeb\xaa\xc5{\x83U\xd8t\x8a\x1a\xbb\xb3="
            b"\xaa\x07\xa5\xaaG4"
        ),
    ),
}
"""Flags and values that Nova 34 wrote of a service, by its client."""
