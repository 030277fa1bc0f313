"""SQL is kept in files, where people and their tools can read it; a program reads it once."""

from importlib.resources import files
from importlib.resources.abc import Traversable


def folder(package: str, name: str) -> Traversable:
    """Return the folder ``name`` beside the modules of ``package``."""
    return files(package) / name


def read(where: Traversable, name: str) -> str:
    """Return the text of ``name``.sql.

    Raises FileNotFoundError when musterd is not installed whole.
    """
    return (where / f"{name}.sql").read_text("utf-8")


def statement(where: Traversable, name: str) -> str:
    """Return the text of ``name``.sql, which is one statement, without its lines of comment.

    Nobody but people reads those.
    """
    lines = read(where, name).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("--"))


def steps(where: Traversable) -> tuple[str, ...]:
    """Return the steps of a schema, first to last: the texts of 001_….sql, 002_….sql and so on."""
    numbered = sorted(each.name for each in where.iterdir() if each.name[:3].isdecimal())
    expected = [f"{number:03}" for number in range(1, 1 + len(numbered))]
    if [name[:3] for name in numbered] != expected:
        raise ValueError(f"steps of a schema are not numbered from 1 on: {numbered}")
    return tuple(read(where, name.removesuffix(".sql")) for name in numbered)
