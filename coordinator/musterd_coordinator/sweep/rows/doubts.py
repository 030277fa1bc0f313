"""The module says when what is known of a roster is doubtful; pure."""


class Doubts:
    """A `Doubts` says when wrong records mean that the roster is to be read anew.

    Wrong is a record that is no beat of its slot's member. The roster, read in full, may still say
    the same: so it is asked for after ever more sweeps.
    """

    FIRST = 4
    MOST = 4096

    def __init__(self) -> None:
        self._sweeps, self._patience = 0, self.FIRST

    def are_raised(self, rejected: int) -> bool:
        """Note that another sweep ``rejected`` so many; say whether now is the time."""
        if not rejected:
            self._sweeps, self._patience = 0, self.FIRST
            return False
        self._sweeps += 1
        if self._sweeps < self._patience:
            return False
        self._sweeps, self._patience = 0, min(2 * self._patience, self.MOST)
        return True
