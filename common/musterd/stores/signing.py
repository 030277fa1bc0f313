"""The module has what every writer that signs keeps of a shard: the challenge, and its patience."""

from musterd.keys import CHALLENGE_LIMIT, challenge_digest

LOOK_EVERY = 3
"""Beats from one look at the challenge, and at what an agent announced, to the next."""

LONGEST_PAUSE = 16
"""Looks at an announcement before an agent writes it again, where others always change it."""


class SeenChallenge:
    """A ``SeenChallenge`` is the value that coordinators keep in a shard, as it was seen last.

    One that is lost stays in force: coordinators still know it, and write it anew.
    """

    __slots__ = ("_value", "digest")

    def __init__(self) -> None:
        self._value = b""
        self.digest = challenge_digest(b"")

    def saw(self, value: bytes | None) -> None:
        """Note what the shard has; None: nothing."""
        if value and value != self._value and len(value) <= CHALLENGE_LIMIT:
            self._value = value
            self.digest = challenge_digest(value)


class RewritePace:
    """A ``RewritePace`` says when to write an announcement again that others have changed.

    At once, and then after ever more looks: two agents with one name and different keys would
    change it for ever.
    """

    __slots__ = ("_looks", "_pause")

    def __init__(self) -> None:
        self._pause = 1
        self._looks = 0

    def is_over(self) -> bool:
        """Say whether this look is one at which to write; each call is a look."""
        if self._looks:
            self._looks -= 1
            return False
        return True

    def wrote(self) -> None:
        """Note that the announcement was written again."""
        self._looks, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
