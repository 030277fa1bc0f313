"""How tests are kept: what several of them need is in modules that are no tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATCH, MOST_PATCHES = "monkeypatch", 20
LONGEST = 400  # lines


def modules() -> Iterator[Path]:
    yield from (ROOT / "tests").rglob("*.py")


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def is_test(name: str) -> bool:
    return any(part.startswith("test_") for part in name.split(".")) and name.startswith("tests.")


def test_no_test_imports_another_test_module() -> None:
    found = {
        f"{module.relative_to(ROOT)}: {name}"
        for module in modules()
        for name in imported(module)
        if is_test(name)
    }
    assert not found


def test_little_is_patched() -> None:
    """What a test needs smaller is an argument, with the constant as its default."""
    patches = [line for module in modules() for line in lines(module) if f"{PATCH}." in line]
    assert len(patches) < MOST_PATCHES


def test_no_file_of_tests_is_long() -> None:
    assert not [module.name for module in modules() if len(list(lines(module))) > LONGEST]


def lines(module: Path) -> Iterator[str]:
    yield from module.read_text().splitlines()
