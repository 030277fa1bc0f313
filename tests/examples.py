"""How many examples a property gets: a quarter in `make test`, and all that were meant in `make fuzz`.

Hypothesis draws others in each run, so that the runs of a day go further than one of many examples.
Only properties that take seconds are cut; what a failure was found with stays as an `@example`.
"""

from hypothesis import settings

THOROUGH = "thorough"
"""The profile of Hypothesis in which properties get all: `--hypothesis-profile thorough`."""

SHARE = 4
LEAST = 5


def examples(meant: int) -> int:
    """Return how many of the examples that were meant a property gets in this run."""
    return meant if _thorough() else max(LEAST, meant // SHARE)


def seeds(meant: int) -> range:
    """Return the seeds that a simulation is run with: in `make test` those of a quarter, rounded up."""
    return range(meant if _thorough() else -(-meant // SHARE))


def _thorough() -> bool:
    return settings.get_current_profile_name() == THOROUGH
