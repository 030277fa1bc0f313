"""The module has MySQL as another make of :class:`musterd.testing.mariadb.MariaDb`.

Debian's stable releases have no MySQL: `scripts/setup.sh mysql` brings one, into `build/mysql`.
"""

import re
import subprocess
from functools import cache
from pathlib import Path

from musterd.testing.busy import allowed_now
from musterd.testing.mariadb import SETTINGS, Make, MariaDb
from musterd.testing.processes import START_TIMEOUT, ServerError, environment, find_program

FETCHED = Path(__file__).parents[3] / "build" / "mysql" / "bin" / "mysqld"
_OLDEST = 8
_CHEAP = {"innodb-redo-log-capacity": "8M"}


@cache
def program() -> Path:
    """Find MySQL's server; raise ServerError, which says how to get it, where there is none."""
    for found in _candidates():
        if is_mysql(_version_of(found)):
            return found
    raise ServerError(f"no mysqld of MySQL {_OLDEST}.0 or newer: run 'scripts/setup.sh mysql'")


def _candidates() -> list[Path]:
    try:
        return [find_program("mysqld", "mysql-server-core"), FETCHED]
    except ServerError:
        return [FETCHED]


def _version_of(found: Path) -> str:
    if not found.exists():
        return ""
    asked = [str(found), "--no-defaults", "--version"]
    answer = subprocess.run(
        asked,
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=allowed_now(START_TIMEOUT),
    )
    return answer.stdout


def is_mysql(version: str) -> bool:
    """Say whether this is what MySQL says of its version, and not MariaDB, which may be called so too."""
    number = re.search(r"Ver (\d+)\.", version)
    return "MariaDB" not in version and number is not None and int(number[1]) >= _OLDEST


def _install(data: Path) -> list[str]:
    options = {**_CHEAP, "innodb-flush-method": "nosync", "innodb-flush-log-at-trx-commit": 0}
    cheap = [f"--{key}={value}" for key, value in options.items()]
    how = ["--no-defaults", "--initialize-insecure", "--skip-log-bin", f"--datadir={data}"]
    return [str(program()), *how, *cheap]


_FIXED = {"mysqlx": "off", "secure-file-priv": ""}
_NAMES = {"innodb-log-file-size": "innodb-redo-log-capacity"}
MYSQL = Make("MySQL", program, _install, {**SETTINGS, **_CHEAP, **_FIXED}, _NAMES)


class MySql(MariaDb):
    """A `MySql` is a MySQL where a `MariaDb` of the same run is a MariaDB."""

    make = MYSQL
