"""Names, as the SQL of MariaDB and MySQL takes them. It needs no driver: those who print SQL have none."""


def quoted(name: str) -> str:
    """Return a name as SQL takes it."""
    return "`" + name.replace("`", "``") + "`"


def account_of(name: str) -> str:
    """Return the account ``name`` or ``name@host`` as SQL takes it; without a host it is of all hosts."""
    user, at, host = name.rpartition("@")
    return f"{quoted(user if at else host)}@{quoted(host if at else '%')}"
