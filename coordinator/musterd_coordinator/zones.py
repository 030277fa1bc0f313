"""The zones of groups by small numbers, kept as long as somebody is in them."""

Zone = tuple[str, str]  # group and zone


class Zones:
    """Numbers from 0 up; those of zones that nobody is in any more are used again."""

    def __init__(self) -> None:
        self._codes: dict[Zone, int] = {}
        self._zones: list[Zone] = []
        self._inside: list[int] = []  # members, by code
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._codes)

    def enter(self, group: str, zone: str) -> int:
        """One more member is in this zone; its number, the same one each time."""
        key = group, zone
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = self._new(key)
        self._inside[code] += 1
        return code

    def leave(self, code: int) -> None:
        """One member of this zone is there no more."""
        self._inside[code] -= 1
        if not self._inside[code]:
            del self._codes[self._zones[code]]
            self._free.append(code)

    def code(self, group: str, zone: str) -> int | None:
        """The number of a zone; None: nobody is in it."""
        return self._codes.get((group, zone))

    def zone(self, code: int) -> Zone:
        """The group and zone of a number."""
        return self._zones[code]

    def _new(self, key: Zone) -> int:
        if self._free:
            code = self._free.pop()
            self._zones[code] = key
            return code
        self._zones.append(key)
        self._inside.append(0)
        return len(self._zones) - 1
