"""The module makes a virtual environment with Nova on first use, and keeps it under `build/`."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from tqdm import tqdm

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
CLIENTS = ("python-memcached", "pymemcache", "python-binary-memcached")
"""By which oslo.cache asks a memcached."""

PACKAGES = ("nova==34.0.0", "psycopg2-binary", "PyMySQL", *CLIENTS)
PLACE = Path(__file__).parents[2] / "build" / "nova"


class NoNova(Exception):
    """A `NoNova` says that Nova could not be installed; its text is what pip had to say."""


def is_there(place: Path = PLACE) -> bool:
    """Say whether Nova is there as pinned."""
    done = place / "done"
    return done.exists() and done.read_text() == _fingerprint()


def nova_python(place: Path = PLACE) -> Path:
    """Return the Python that has Nova; install it when it is not there as pinned. Raises NoNova."""
    python = place / "bin" / "python"
    if not is_there(place):
        tqdm.write(f"installing {PACKAGES[0]} and what it needs, once", file=sys.stderr)
        venv.create(place, clear=True, with_pip=True, symlinks=True)
        _install(python)
        (place / "done").write_text(_fingerprint())
    return python


def _install(python: Path) -> None:
    command = [str(python), "-m", "pip", "install", "-q", "-c", str(CONSTRAINTS), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNova(f"{PACKAGES[0]} cannot be installed: {done.stderr.strip().splitlines()[-1]}")


def _fingerprint() -> str:
    words = (CONSTRAINTS.read_text(), *PACKAGES, sys.version)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


if __name__ == "__main__":
    try:
        nova_python()
    except NoNova as missing:
        sys.exit(str(missing))
