"""`musterd demo --nova` has Nova's own code report, judge by its own rule, and ask musterd's door.

Nova runs in an environment of its own, ``build/nova`` of a checkout. There is no message queue: services
write to the database themselves, as Nova's conductors and schedulers do.
"""

from pathlib import Path

from musterd.errors import ConfigError

PLACE = Path("build/nova")
_BRINGS = "in a checkout of musterd, run: make demo ARGS=--nova"


def nova_python(place: Path = PLACE) -> Path:
    """Return the Python that has Nova. Raises ConfigError, with the command that brings it."""
    python = place / "bin" / "python"
    if not (place / "done").exists() or not python.exists():
        raise ConfigError(f"--nova: there is no Nova in {place}; {_BRINGS}")
    return python.absolute()
