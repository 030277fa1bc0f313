"""Names to rows and back, sorted by group, and the zones that members are counted in."""

from array import array
from collections.abc import Iterator
from itertools import repeat

from sortedcontainers import SortedList

from musterd.model import Member
from musterd_coordinator.announced import Announced


class Group:
    """The members of one group by name, and the shards that they were ever placed on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[str, int] = {}
        self.shards: set[int] = set()
        self._sorted: SortedList[str] | None = None  # from when it is first asked for

    def add(self, name: str, row: int) -> None:
        """``name`` sits in ``row``."""
        self.rows[name] = row
        if self._sorted is not None:
            self._sorted.add(name)

    def remove(self, name: str) -> None:
        """Forget ``name``."""
        del self.rows[name]
        if self._sorted is not None:
            self._sorted.remove(name)

    def after(self, name: str) -> Iterator[str]:
        """The names greater than ``name``, in order."""
        if self._sorted is None:
            self._sorted = SortedList(self.rows)
        names: Iterator[str] = self._sorted.irange(name, inclusive=(False, False))
        return names


class Directory:
    """Who is in which row. Rows are those of :class:`musterd_coordinator.members.Members`."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self._names: list[str | None] = []  # by row
        self._announced = Announced()
        self._number = array("i")  # of what the member in a row announced
        self._count = 0
        self._zones: dict[tuple[str, str], int] = {}
        self._zone_names: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return self._count

    def add(self, member: Member, row: int) -> Group:
        """``member`` sits in ``row``; its group."""
        if (more := row + 1 - len(self._names)) > 0:
            self._names.extend(repeat(None, more))
            self._number.extend(repeat(0, more))
        self._names[row] = member.name
        self._number[row] = self._announced.take(member)
        self._count += 1
        group = self.groups.get(member.group)
        if group is None:
            group = self.groups[member.group] = Group(member.group)
        group.add(member.name, row)
        return group

    def announce(self, row: int, member: Member) -> None:
        """The same member announced other facts."""
        before = self._number[row]
        self._number[row] = self._announced.take(member)
        self._announced.give(before)

    def remove(self, row: int) -> None:
        """Forget the member of ``row``, and its group with the last of its members."""
        member = self.member(row)
        self._names[row] = None
        self._announced.give(self._number[row])
        self._count -= 1
        group = self.groups[member.group]
        group.remove(member.name)
        if not group.rows:
            del self.groups[member.group]

    def member(self, row: int) -> Member:
        """The member in ``row``, as its agent announced it."""
        name = self._names[row]
        assert name is not None, f"row {row} is free"
        return self._announced.member(self._number[row], name)

    def row(self, group: str, member: str) -> int | None:
        """The row of a name."""
        found = self.groups.get(group)
        return None if found is None else found.rows.get(member)

    def zone_code(self, group: str, zone: str) -> int:
        """A small number for a zone of a group; the same one each time."""
        key = (group, zone)
        if key not in self._zones:
            self._zones[key] = len(self._zone_names)
            self._zone_names.append(key)
        return self._zones[key]

    def zone(self, code: int) -> tuple[str, str]:
        """The group and zone of a number."""
        return self._zone_names[code]
