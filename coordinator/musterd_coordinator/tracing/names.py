"""Names of members, zones and shards stand in a trace as they are, or numbered. Pure."""

from collections.abc import Sequence


class TraceNames:
    """A `TraceNames` gives names as they are, or, where a trace is ``anonymous``, others that tell nothing.

    Groups keep theirs: what a member is for is part of the picture.
    """

    def __init__(self, *, anonymous: bool) -> None:
        self.anonymous = anonymous
        self._zones: dict[str, str] = {}

    def member(self, number: int, name: str) -> str:
        """Return what to call the member with this ``number`` in the trace."""
        return f"m{number:04}" if self.anonymous else name

    def zone(self, name: str) -> str:
        """Return what to call a zone, the same each time; no zone stays none."""
        if not self.anonymous or not name:
            return name
        return self._zones.setdefault(name, f"z{len(self._zones) + 1}")

    def shards(self, names: Sequence[str]) -> list[str]:
        """Return what to call the shards."""
        return [f"s{at}" if self.anonymous else name for at, name in enumerate(names)]
