"""The list of all groups is made as JSON in steps, once for each version, for all that ask."""

from collections.abc import Sequence

import msgspec

from musterd.answers import GroupList
from musterd_coordinator.service.contract import CoordinatorApi
from musterd_coordinator.steps import Steps

AT_ONCE = 500  # groups that are encoded in one step

_encode = msgspec.json.Encoder().encode


class Listing:
    """A `Listing` makes the list of all groups of one desk."""

    def __init__(self, desk: CoordinatorApi) -> None:
        self._desk = desk
        self._made: tuple[int, list[bytes]] | None = None  # a version, and its groups in parts

    def answer(self) -> Steps[bytearray | None]:
        """Return the answer; None if there is no group."""
        if self._made is None or self._made[0] != self._desk.version:
            self._made = yield from self._make()
        version, parts = self._made
        if not parts:
            return None
        empty = _encode(GroupList(version, *self._desk.freshness(), []))
        yield
        return (yield from joined([empty.removesuffix(b"]}"), *parts, b"]}"]))

    def none(self) -> bytes:
        """Return the answer where there is no group."""
        return _encode(GroupList(self._desk.version, *self._desk.freshness(), []))

    def _make(self) -> Steps[tuple[int, list[bytes]]]:
        listed = yield from self._desk.groups_steps()
        parts: list[bytes] = []
        while some := listed.groups[:AT_ONCE]:
            del listed.groups[:AT_ONCE]  # to free all of them in the end is a long step too
            parts.append((b"," if parts else b"") + _encode(some)[1:-1])
            yield
        return listed.version, parts


def joined(parts: Sequence[bytes]) -> Steps[bytearray]:
    """Return ``parts`` as one, of megabytes: memory that is touched for the first time costs most."""
    joined, at = bytearray(sum(map(len, parts))), 0
    for part in parts:
        joined[at : at + len(part)] = part
        at += len(part)
        yield
    return joined
