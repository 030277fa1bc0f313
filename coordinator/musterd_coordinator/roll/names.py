"""The module turns names into rows and back, sorted by group, and has the zones of members."""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musterd.model import Member
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.announcements import AnnouncementPool
from musterd_coordinator.roll.batch import MemberBatch
from musterd_coordinator.roll.order import BLOCK, Places, SortedNames, put_in_order
from musterd_coordinator.roll.zones import Zones
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.idmap import IdMap

_ALL_BITS = 2**64 - 1
NOBODY = -1
NOTHING = -1  # no number of anything that is announced

_NEWS_AT_ONCE = 500  # names that joined or went meanwhile, in one step


class Group:
    """A `Group` has the rows of one group's members, in no order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = array("i")
        self.sorted: SortedNames | None = None  # from when they are first asked for
        self.news: list[list[tuple[bool, bytes]]] = []  # one for each ordering under way

    def update(self, name: bytes, here: bool) -> None:
        """Note that ``name`` joined (``here``) or went."""
        if self.sorted is not None:
            (self.sorted.add if here else self.sorted.discard)(name)
        for each in self.news:
            each.append((here, name))


class NameIndex:
    """A `NameIndex` knows which member is in which row.

    Rows are those of :class:`musterd_coordinator.judge.members.Members`. They are found by 64 bits
    of Python's own hash of names, which is keyed with a secret of this process: as with member_ids,
    two of a million names have the same once in 40 million fleets. A dict of names, and a number
    for each, would take a hundred bytes a member more.

    ``block`` is how many names of a group stand together once they are in order.
    """

    def __init__(self, *, block: int = BLOCK) -> None:
        self._block = block
        self.groups: dict[str, Group] = {}
        self.group_names: list[str] = []  # in order
        self._rows = IdMap()
        self._names: list[bytes | None] = []  # by row; each takes 16 bytes less than text
        self._announced = AnnouncementPool()
        self._number = array("i")  # of what the member in a row announced
        self._place = array("i")  # of a row among those of its group
        self.zones = Zones()  # those that a member is in

    def __len__(self) -> int:
        return len(self._rows)

    def make_room(self, more: int) -> Iterator[None]:
        """Make room for ``more`` members, before they come, in steps."""
        return self._rows.make_room(more)

    def reserve(self, rows: int) -> None:
        """Make room for rows below ``rows``."""
        if rows > len(self._rows.ids):
            self._rows.reserve(rows)

    def add(self, members: MemberBatch, rows: Rows) -> None:
        """Add new ``members`` (n), which sit in ``rows`` (n)."""
        if (more := int(rows.max(initial=-1)) + 1 - len(self._names)) > 0:
            self._names.extend(repeat(None, more))
            self._number.extend(repeat(0, more))
            self._place.extend(repeat(0, more))
        self._rows.put_all(_identities(members), rows)
        for row, name in zip(rows.tolist(), map(str.encode, members.names), strict=True):
            self._names[row] = name
        _set_all(self._number, rows, np.array(self._announced.acquire_all(members))[members.kinds])
        entered, places = list[int](), list[int]()
        for group, chosen in members.by_group():
            theirs = rows[chosen].tolist()
            places += self._enter(group, theirs)
            entered += theirs
        _set_all(self._place, np.array(entered, np.int64), np.array(places, np.int64))

    def _enter(self, name: str, rows: list[int]) -> Iterable[int]:
        """Enter the named members of ``rows`` into this group, and return their places in it."""
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(name)
            insort(self.group_names, name)
        first = len(group.rows)
        group.rows.extend(rows)
        if group.sorted is not None or group.news:
            for each in self._names_at(np.array(rows, np.int64)):
                group.update(each, here=True)
        return range(first, first + len(rows))

    def with_other_facts(self, members: MemberBatch, rows: Rows) -> list[int]:
        """Return the places of those of ``members`` (n) that announce what is not known.

        They sit in ``rows`` (n).
        """
        if not len(rows):
            return []
        numbers = [
            NOTHING if number is None else number
            for number in self._announced.numbers(members.samples)
        ]
        known = np.frombuffer(self._number, np.intc)[rows]
        return np.flatnonzero(known != np.array(numbers)[members.kinds]).tolist()

    def announce(self, row: int, member: Member) -> None:
        """Note that the member in ``row`` announced other facts."""
        before = self._number[row]
        self._number[row] = self._announced.acquire(member)
        self._announced.release(before)

    def remove(self, row: int) -> None:
        """Forget the member of ``row``, and its group with the last of its members."""
        member = self.member(row)
        group = self.groups[member.group]
        self._rows.remove(_identity(member.group, member.name))
        self._names[row] = None
        self._announced.release(self._number[row])
        place, last = self._place[row], group.rows.pop()
        if last != row:
            group.rows[place], self._place[last] = last, place
        group.update(member.name.encode(), here=False)
        if not group.rows:
            del self.groups[member.group]
            del self.group_names[bisect_left(self.group_names, member.group)]

    def member(self, row: int) -> Member:
        """Return the member in ``row``, as its agent announced it."""
        return self._announced.member(self._number[row], self.name(row).decode())

    def name(self, row: int) -> bytes:
        """Return the name of the member in ``row``."""
        name = self._names[row]
        assert name is not None, f"row {row} is free"
        return name

    def row(self, group: str, member: str) -> int | None:
        """Return the row of a name; orders go by it, so the name itself is compared as well."""
        row = self._rows.get(_identity(group, member))
        return row if row is not None and self._names[row] == member.encode() else None

    def rows_of(self, members: MemberBatch) -> Rows:
        """Return the rows of ``members`` (n), NOBODY for those that have none; see :meth:`row`."""
        rows = self._rows.get_all(_identities(members))
        found = np.flatnonzero(rows != NOBODY)
        theirs = map(self._names.__getitem__, rows[found].tolist())
        names = map(members.names.__getitem__, found.tolist())
        same = np.fromiter(map(eq, theirs, map(str.encode, names)), np.bool_, len(found))
        rows[found[~same]] = NOBODY
        return rows

    def rows(self, group: str, members: Sequence[str]) -> Rows:
        """Return the rows of many names (n) at once, NOBODY where there is no such member."""
        hashes = np.fromiter(map(hash, members), np.int64, len(members)) ^ _salt(group)
        return self._rows.get_all(hashes.view(np.uint64))

    def in_order(self, group: Group) -> Steps[SortedNames]:
        """Return the names of ``group`` in order; from then on they follow what joins or goes."""
        if group.sorted is not None:
            return group.sorted
        news: list[tuple[bool, bytes]] = []
        group.news.append(news)
        try:
            rows = np.array(group.rows, np.int64)
            read = partial(self._names_in, group, rows)
            names = yield from put_in_order(read, len(rows), block=self._block)
            for at, (here, name) in enumerate(news):
                (names.add if here else names.discard)(name)
                if at % _NEWS_AT_ONCE == _NEWS_AT_ONCE - 1:
                    yield
        finally:
            group.news = [each for each in group.news if each is not news]
        group.sorted = names
        return names

    def names_of(self, group: Group, rows: Rows) -> tuple[Rows, list[str]]:
        """Return those of ``rows`` (n) in which a member of ``group`` sits now, and their names."""
        here = self._sitting(group, rows)
        return here, [name.decode() for name in self._names_at(here)]

    def _names_in(self, group: Group, rows: Rows, places: Places) -> list[bytes]:
        return self._names_at(self._sitting(group, rows[places]))

    def _names_at(self, rows: Rows) -> list[bytes]:
        names = map(self._names.__getitem__, rows.tolist())
        return [name for name in names if name is not None]

    def _sitting(self, group: Group, rows: Rows) -> Rows:
        if not group.rows:
            return rows[:0]
        place, theirs = (
            np.frombuffer(self._place, np.intc)[rows],
            np.frombuffer(group.rows, np.intc),
        )
        inside = place < len(theirs)
        inside &= theirs[np.where(inside, place, 0)] == rows
        return rows[inside]


def _set_all(column: "array[int]", rows: Rows, numbers: NDArray[Any]) -> None:
    np.frombuffer(column, np.intc)[rows] = numbers  # the view ends here: the column may grow again


def _identity(group: str, member: str) -> int:
    return (hash(member) ^ _salt(group)) & _ALL_BITS


def _identities(members: MemberBatch) -> NDArray[np.uint64]:
    salts = np.array([_salt(sample.group) for sample in members.samples], np.int64)
    hashes = np.fromiter(map(hash, members.names), np.int64, len(members.names))
    return (hashes ^ salts[members.kinds]).view(np.uint64)


def _salt(group: str) -> int:
    return hash((group,))  # not that of the group's name, which a member may have as well
