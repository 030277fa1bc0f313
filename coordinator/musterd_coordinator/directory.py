"""Names to rows and back, sorted by group, and the zones that members are counted in."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sortedcontainers import SortedList

from musterd.model import Member
from musterd.stores.idmap import IdMap
from musterd_coordinator.alike import Alike
from musterd_coordinator.announced import Announced
from musterd_coordinator.members import Rows
from musterd_coordinator.numbers import Numbers

Zone = tuple[str, str]  # group and zone

_ALL_BITS = 2**64 - 1
NOBODY = -1
NOTHING = -1  # no number of what anybody announces


class Group:
    """The rows of one group's members, in no order, and the shards that they were ever placed on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = array("i")
        self.shards: set[int] = set()
        self.sorted: SortedList[bytes] | None = None  # names, from when they are first asked for


class Directory:
    """Who is in which row. Rows are those of :class:`musterd_coordinator.members.Members`.

    Rows are found by 64 bits of Python's own hash of names, which is keyed with a secret of this
    process: as with member_ids, two of a million names have the same once in 40 million fleets. A
    dict of names, and a number for each, would take a hundred bytes a member more.
    """

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self._rows = IdMap()
        self._names: list[bytes | None] = []  # by row; 16 bytes less than text is, each
        self._announced = Announced()
        self._number = array("i")  # of what the member in a row announced
        self._place = array("i")  # of a row among those of its group
        self.zones = Numbers[Zone]()  # of those that somebody is in

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, members: Alike, rows: Rows) -> None:
        """New ``members`` (n) sit in ``rows`` (n)."""
        if (more := int(rows.max(initial=-1)) + 1 - len(self._names)) > 0:
            self._names.extend(repeat(None, more))
            self._number.extend(repeat(0, more))
            self._place.extend(repeat(0, more))
        self._rows.put_all(_identities(members), rows)
        for row, name in zip(rows.tolist(), map(str.encode, members.names), strict=True):
            self._names[row] = name
        _set_all(self._number, rows, np.array(self._announced.take_all(members))[members.kinds])
        for group, places in members.by_group():
            self._enter(group, rows[places])

    def _enter(self, name: str, rows: Rows) -> None:
        """The members of ``rows``, who have their names, are of this group."""
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(name)
        _set_all(self._place, rows, np.arange(len(group.rows), len(group.rows) + len(rows)))
        group.rows.extend(rows.tolist())
        if group.sorted is not None:
            group.sorted.update([self._names[row] for row in rows.tolist()])

    def with_other_facts(self, members: Alike, rows: Rows) -> list[int]:
        """Places among ``members`` (n), of ``rows`` (n), of those who announce what is not known."""
        if not len(rows):
            return []
        numbers = [
            NOTHING if number is None else number
            for number in self._announced.numbers(members.samples)
        ]
        known = np.frombuffer(self._number, np.intc)[rows]
        return np.flatnonzero(known != np.array(numbers)[members.kinds]).tolist()

    def announce(self, row: int, member: Member) -> None:
        """The same member announced other facts."""
        before = self._number[row]
        self._number[row] = self._announced.take(member)
        self._announced.give(before)

    def remove(self, row: int) -> None:
        """Forget the member of ``row``, and its group with the last of its members."""
        member = self.member(row)
        group = self.groups[member.group]
        self._rows.remove(_identity(member.group, member.name))
        self._names[row] = None
        self._announced.give(self._number[row])
        place, last = self._place[row], group.rows.pop()
        if last != row:
            group.rows[place], self._place[last] = last, place
        if group.sorted is not None:
            group.sorted.remove(member.name.encode())
        if not group.rows:
            del self.groups[member.group]

    def member(self, row: int) -> Member:
        """The member in ``row``, as its agent announced it."""
        name = self._names[row]
        assert name is not None, f"row {row} is free"
        return self._announced.member(self._number[row], name.decode())

    def row(self, group: str, member: str) -> int | None:
        """The row of a name; orders go by it, so the name itself is compared as well."""
        row = self._rows.get(_identity(group, member))
        return row if row is not None and self._names[row] == member.encode() else None

    def rows_of(self, members: Alike) -> Rows:
        """The rows of ``members`` (n), NOBODY for those who have none; as :meth:`row` finds them."""
        rows = self._rows.get_all(_identities(members))
        found = np.flatnonzero(rows != NOBODY)
        theirs = map(self._names.__getitem__, rows[found].tolist())
        names = map(members.names.__getitem__, found.tolist())
        same = np.fromiter(map(eq, theirs, map(str.encode, names)), np.bool_, len(found))
        rows[found[~same]] = NOBODY
        return rows

    def rows(self, group: str, members: Sequence[str]) -> Rows:
        """The rows of names (n), NOBODY where there is no such member: of many at once."""
        hashes = np.fromiter(map(hash, members), np.int64, len(members)) ^ _salt(group)
        return self._rows.get_all(hashes.view(np.uint64))

    def after(self, group: Group, name: str) -> Iterator[str]:
        """The names of ``group`` that are greater than ``name``, in order."""
        if group.sorted is None:
            group.sorted = SortedList(self._names[row] for row in group.rows)  # not copied
        names: Iterator[bytes] = group.sorted.irange(name.encode(), inclusive=(False, False))
        return map(bytes.decode, names)


def _set_all(column: "array[int]", rows: Rows, numbers: NDArray[Any]) -> None:
    np.frombuffer(column, np.intc)[rows] = numbers  # the view ends here: the column may grow again


def _identity(group: str, member: str) -> int:
    return (hash(member) ^ _salt(group)) & _ALL_BITS


def _identities(members: Alike) -> NDArray[np.uint64]:
    salts = np.array([_salt(sample.group) for sample in members.samples], np.int64)
    hashes = np.fromiter(map(hash, members.names), np.int64, len(members.names))
    return (hashes ^ salts[members.kinds]).view(np.uint64)


def _salt(group: str) -> int:
    return hash((group,))  # not that of the group's name, which a member may have as well
