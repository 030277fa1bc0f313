"""A sighting is what a look at everything found in one place: what it is, where, and how many. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec

from musterd.incidents import IncidentKind

_ID_BYTES = 8
_FAMILY = {IncidentKind.MASS_SILENCE: "silence", IncidentKind.DEATHS: "silence"}
"""A mass silence goes on as deaths: it is the same incident."""


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """A `Sighting` is the cause of one incident, as it is now.

    See the fields of the same names in Incident; ``since`` and ``newest`` are in seconds of the wall
    clock, None where nothing tells them. ``detail`` is the reason in words, where there is one. It is worth
    telling once it has lasted for ``patience`` seconds.
    """

    kind: IncidentKind
    group: str = ""
    zone: str | None = None
    scope: str = ""
    count: int = 0
    suspect: int = 0
    members: Sequence[str] = ()
    since: float | None = None
    newest: float | None = None
    detail: str = ""
    patience: float = 0.0
    parties: str = ""  # in place of ``scope``, where each coordinator sees another one in that

    @property
    def id(self) -> str:
        """Return what every coordinator calls it."""
        family = _FAMILY.get(self.kind, self.kind.value)
        return id_of(family, self.group, self.zone, self.parties or self.scope)


@lru_cache(20_000)
def id_of(family: str, group: str, zone: str | None, scope: str) -> str:
    """Return 16 hexadecimal digits of what it is and where, and of nothing that happened."""
    where = (group, "-" if zone is None else f"+{zone}", scope)
    text = "\0".join((family, *where))  # no name or text has a NUL
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_ID_BYTES).hexdigest()
