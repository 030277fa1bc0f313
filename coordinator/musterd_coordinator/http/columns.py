"""Columns of all members are made once for all that ask for them, or follow them."""

from collections.abc import Sequence

import anyio
import msgspec

from musterd.answers import Columns, GroupColumns
from musterd.errors import NotFound
from musterd_coordinator.http.flate import Chunk
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.roll.arrangement import Arrangement
from musterd_coordinator.roll.cells import Cells
from musterd_coordinator.service.contract import CoordinatorApi
from musterd_coordinator.steps import Steps

LAYOUT_GAP = 1.0
"""Seconds that readers who follow keep to a layout at least, though members join, go or move."""

SERVED = 2.0
"""Seconds for which columns serve readers that begin to follow: what changed since comes after them."""

KEPT = 30.0
"""Seconds in which a reader has to take columns: then they are forgotten."""

GROUPS_AT_ONCE = 500

_encode = msgspec.json.Encoder().encode
_END = b"]}"


class MadeColumns:
    """A `MadeColumns` is the columns of one version, the groups of which are encoded when asked for."""

    def __init__(self, version: int, arrangement: Arrangement, cells: Cells, made: float) -> None:
        self.version, self.arrangement = version, arrangement
        self.made = self.used = made  # and given to a reader last, by the loop's clock
        self._cells = cells
        self._parts: dict[str, Chunk] = {}
        self.all: Chunk | None = None
        """All groups as JSON, with commas between, once they were encoded."""

    def part(self, group: str) -> Chunk:
        """Return one group as JSON; nothing where there is no such group."""
        if (part := self._parts.get(group)) is None:
            part = self._parts[group] = Chunk(self._encoded(group))
        return part

    def encode_all(self) -> Steps[Chunk]:
        """Encode all groups, in steps."""
        parts: list[bytes] = []
        for at, group in enumerate(self.arrangement.groups, 1):
            parts.append(self._encoded(group))
            if not at % GROUPS_AT_ONCE:
                yield
        self.all = Chunk(b",".join(parts))
        return self.all

    def forget(self) -> None:
        """Keep nothing of it; whoever still reads it is too slow."""
        for part in self._parts.values():
            part.forget()
        if self.all is not None:
            self.all.forget()

    def _encoded(self, group: str) -> bytes:
        places = self.arrangement.groups.get(group)
        if places is None:
            return b""
        cells = self._cells[places.begin : places.end].tobytes()
        return _encode(GroupColumns(group, places.zones, cells))


class ColumnFeed:
    """A `ColumnFeed` makes the columns of one run of one coordinator."""

    def __init__(self, desk: CoordinatorApi, run: str, turns: Turns) -> None:
        self._desk = desk
        self._run = run
        self._turns = turns
        self._made: MadeColumns | None = None
        self._kept: list[MadeColumns] = []  # all that may be read still
        self._making = anyio.Lock()
        self.arrangement: Arrangement | None = None
        self._arranged = 0.0  # when
        self._shown = -1  # the newest version that was told in this arrangement
        self.since = -1
        """The version from which on whoever knows one surely has the newest layout."""

    def layout(self, arrangement: Arrangement) -> str:
        """Return the name of the layout of ``arrangement``."""
        return f"{self._run}-{arrangement.number}"

    @property
    def due(self) -> float:
        """Return when readers that follow are to be told of another layout, by the loop's clock."""
        if self.arrangement is None or self._desk.columns.is_newest(self.arrangement):
            return float("inf")
        return self._arranged + LAYOUT_GAP

    async def newest(self) -> MadeColumns:
        """Return the columns as they are now."""
        async with self._making:
            if not self._is_newest:
                await self._make(patient=False)
            return self._use()

    async def recent(self) -> MadeColumns:
        """Return columns that are a little older at most, for a reader that hears what changed since."""
        async with self._making:
            made, now = self._made, anyio.current_time()
            usable = made is not None and made.arrangement is self.arrangement
            usable = usable and now < self.due and now - self._must().made < SERVED
            if not usable or not self._desk.columns.is_at_hand(self._must().version):
                await self._make(patient=True)
            return self._use()

    async def arrange(self) -> Arrangement:
        """Return the arrangement that readers who follow are to be told of; another one only when due."""
        if self.arrangement is None or anyio.current_time() >= self.due:
            async with self._making:
                if self.arrangement is None or anyio.current_time() >= self.due:
                    await self._turns.alone(self._adopt())
        assert self.arrangement is not None, "it was made"
        return self.arrangement

    def tell(self, version: int) -> None:
        """Note that a reader was told of ``version`` in the newest layout."""
        self._shown = max(self._shown, version)

    async def parts(self, made: MadeColumns, groups: Sequence[str] | None) -> list[Chunk]:
        """Return the JSON of those of ``groups`` that are known, or of all, in parts."""
        if groups is None:
            bodies = [await self.body(made, None)]
        else:
            bodies = [made.part(group) for group in groups if group in made.arrangement.groups]
        between = [Chunk(b",")] * (len(bodies) - 1)
        joined = [
            part for pair in zip(bodies, [*between, Chunk(_END)], strict=False) for part in pair
        ]
        head = self.head(made, groups)
        return [Chunk(head), *(joined or [Chunk(_END)])]

    async def body(self, made: MadeColumns, group: str | None) -> Chunk:
        """Return ``group`` of ``made`` as JSON, or all groups."""
        if group is not None:
            return made.part(group)
        if made.all is None:
            return await self._turns.alone(made.encode_all())
        return made.all

    def head(self, made: MadeColumns, groups: Sequence[str] | None) -> bytes:
        """Return what stands before these groups, or before all."""
        layout = self.layout(made.arrangement)
        fresh = self._freshness(made.arrangement, groups)
        return _encode(
            Columns(made.version, layout, self._desk.columns.at, *fresh, [])
        ).removesuffix(_END)

    def _freshness(
        self, arrangement: Arrangement, groups: Sequence[str] | None
    ) -> tuple[bool, float | None]:
        known: list[str | None] = [one for one in groups or () if one in arrangement.groups]
        try:
            each = [self._desk.freshness(group) for group in known or [None]]
        except NotFound:  # the last of its members was forgotten
            each = [self._desk.freshness()]
        ages = [age for _, age in each if age is not None]
        oldest = max(ages) if len(ages) == len(each) else None
        return all(listening for listening, _ in each), oldest

    def _use(self) -> MadeColumns:
        made = self._must()
        made.used = anyio.current_time()
        return made

    def _must(self) -> MadeColumns:
        assert self._made is not None, "they were made"
        return self._made

    @property
    def _is_newest(self) -> bool:
        made = self._made
        return (
            made is not None
            and made.version == self._desk.version
            and self._desk.columns.is_newest(made.arrangement)
        )

    async def _make(self, *, patient: bool) -> None:
        now = anyio.current_time()
        for old in [one for one in self._kept if now - one.used >= KEPT]:
            old.forget()
            self._kept.remove(old)
        self._made = None
        self._made = await self._turns.alone(self._steps(patient=patient))
        self._kept.append(self._made)

    def _steps(self, *, patient: bool) -> Steps[MadeColumns]:
        arrangement = self.arrangement
        if arrangement is None or not patient or anyio.current_time() >= self.due:
            arrangement = yield from self._adopt()
        columns = self._desk.columns  # all of the moment at which they are arranged
        return MadeColumns(
            self._desk.version,
            arrangement,
            columns.cells(arrangement),
            anyio.current_time(),
        )

    def _adopt(self) -> Steps[Arrangement]:
        arrangement = yield from self._desk.columns.arrange()
        if arrangement is not self.arrangement:
            version = self._desk.version
            self.since = version + (self._shown >= version)
            self.arrangement, self._arranged = arrangement, anyio.current_time()
        return arrangement
