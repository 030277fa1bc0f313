"""The module says which role may do what with musterd's tables in PostgreSQL.

The roles exist already. The rights stand in ``sql/rights``, for psql as well: each role is its
variable ``role``.
"""

import re
from dataclasses import dataclass

from musterd.sqlfiles import folder, read

MEMBERS_OF_A_HOST = 1024
"""How many members one login role may have, where each host has its own."""

MAY_FILL_DISKS = "SELECT has_database_privilege($1::text, current_database(), 'TEMPORARY')"
"""Whether the role of this name may make temporary tables all the same."""

_FOLDER = folder(__package__, "sql") / "rights"
_FILES = {
    "agents": ("agents", "one_login", "lock_down"),
    "agents_each": ("agents", "login_each", "lock_down"),
    "relays": ("relays",),
    "coordinators": ("relays", "coordinators"),
}
_VARIABLE = re.compile(r""":"role"|:'role'|:most_members\b""")


@dataclass(frozen=True, slots=True)
class Roles:
    """These are existing roles that are given their rights; None: leave that alone.

    ``agents`` is a login role that hosts share. ``agents_each`` is one that the login roles of
    hosts are members of, each of which then has members of its own.
    """

    agents: str | None = None
    agents_each: str | None = None
    relays: str | None = None
    coordinators: str | None = None

    def sql(self) -> str:
        """Return the statements that give the roles their rights."""
        given = ((getattr(self, kind), names) for kind, names in _FILES.items())
        return "".join(_given(role, name) for role, names in given if role for name in names)

    def named(self) -> list[str]:
        """Return all roles that are named."""
        every = (self.agents, self.agents_each, self.relays, self.coordinators)
        return [role for role in every if role]

    def of_agents(self) -> list[str]:
        """Return the roles of agents."""
        return [role for role in (self.agents, self.agents_each) if role]


def quoted(role: str) -> str:
    """Return the name of a role as SQL takes it."""
    return '"' + role.replace('"', '""') + '"'


def _given(role: str, name: str) -> str:
    """Return the file ``name`` for this role, with psql's variables filled in as psql does it."""
    literal = "'" + role.replace("'", "''") + "'"
    values = {
        ':"role"': quoted(role),
        ":'role'": literal,
        ":most_members": str(MEMBERS_OF_A_HOST),
    }
    return _VARIABLE.sub(lambda found: values[found[0]], read(_FOLDER, name))
