"""Names to rows and back, sorted by group, and the zones that members are counted in."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from musterd.model import Member


class Group:
    """The members of one group by name, and the shards that they were ever placed on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[str, int] = {}
        self.shards: set[int] = set()
        self._names: list[str] | None = []

    def add(self, name: str, row: int) -> None:
        """``name`` sits in ``row``."""
        self.rows[name] = row
        self._names = None

    def remove(self, name: str) -> None:
        """Forget ``name``."""
        del self.rows[name]
        self._names = None

    def names(self) -> Sequence[str]:
        """All names in order; sorted when asked for, since most sweeps change none."""
        if self._names is None:
            self._names = sorted(self.rows)
        return self._names

    def after(self, name: str) -> Iterator[str]:
        """The names greater than ``name``, in order."""
        names = self.names()
        return (names[i] for i in range(bisect_right(names, name), len(names)))


class Directory:
    """Who is in which row. Rows are those of :class:`musterd_coordinator.members.Members`."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self._members: list[Member | None] = []
        self._row_of_id: dict[int, int] = {}
        self._zones: dict[tuple[str, str], int] = {}
        self._zone_names: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._row_of_id)

    def add(self, member: Member, member_id: int, row: int) -> None:
        """``member`` sits in ``row``."""
        if row >= len(self._members):
            self._members.extend([None] * (row + 1 - len(self._members)))
        self._members[row] = member
        self._row_of_id[member_id] = row
        self.groups.setdefault(member.group, Group(member.group)).add(member.name, row)

    def announce(self, row: int, member: Member) -> None:
        """The same member announced other facts."""
        self._members[row] = member

    def remove(self, row: int, member_id: int) -> None:
        """Forget the member of ``row``, and its group with the last of its members."""
        member = self.member(row)
        self._members[row] = None
        del self._row_of_id[member_id]
        group = self.groups[member.group]
        group.remove(member.name)
        if not group.rows:
            del self.groups[member.group]

    def member(self, row: int) -> Member:
        """The member in ``row``, as its agent announced it."""
        member = self._members[row]
        assert member is not None, f"row {row} is free"
        return member

    def row_of_id(self, member_id: int) -> int | None:
        """The row of a member_id."""
        return self._row_of_id.get(member_id)

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
