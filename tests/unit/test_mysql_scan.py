"""What MariaDB joined to one text is rows again, or is no answer of ours."""

import pytest

from musterd.beat import SIZE
from musterd.errors import ShardCorrupt
from musterd_coordinator.sweep.mysql.scan import rows_in


def test_joined_rows_are_told_apart() -> None:
    records = bytes(SIZE), b"\xff" * SIZE
    joined = b"%d%b%d%b" % (4_000_000_000 - 5, records[0], 4_000_000_000 + 7, records[1])
    rows = rows_in(2, joined)
    assert rows["slot"].tolist() == [-5, 7], "the canary's are below zero"
    assert [row.tobytes() for row in rows["record"]] == list(records)


@pytest.mark.parametrize(
    ("count", "text", "reason"),
    [
        (2, b"0" * (10 + SIZE), "74 bytes are not 2 beats"),
        (1, b"0" * (9 + SIZE), "73 bytes are not 1 beats"),
        (1, b"00000-0001" + bytes(SIZE), "a slot is no number"),
    ],
)
def test_other_text_is_damage(count: int, text: bytes, reason: str) -> None:
    with pytest.raises(ShardCorrupt, match=reason):
        rows_in(count, text)
