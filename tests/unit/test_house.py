"""How the house is kept: whose parts nobody reaches for, and what tests share and how long they are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
COORDINATOR = ROOT / "coordinator" / "musterd_coordinator"
ABOVE_THE_ROLL = ("service", "http", "incidents", "demo", "wiring.py", "main.py")
PATCH, MOST_PATCHES = "monkeypatch", 20
LONGEST = 400  # lines
DRIVERS = ("memcached", "mysql", "postgres", "sqlite", "slots", "table")
"""What each of them does in its own way, each calls by the same name."""


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


def test_seconds_are_those_of_an_idle_machine() -> None:
    """What waits does so `in_time`, unless its clock is simulated: a busy machine takes longer."""
    found = [
        module.name for module in modules() for line in lines(module) if is_hasty(line, module)
    ]
    assert not found


def is_hasty(line: str, module: Path) -> bool:
    simulated = module.parent.name == "sim" or "MockClock" in module.read_text()
    return not simulated and re.search(r"\bfail_after\((?!allowed_now)", line) is not None


def lines(module: Path) -> Iterator[str]:
    yield from module.read_text().splitlines()


def test_a_name_of_a_class_means_one_thing() -> None:
    """Besides drivers, who have their own `Session`, and servers under test, called by their names."""
    places: dict[str, list[str]] = {}
    for package in ("agent", "common", "coordinator"):
        for module in (ROOT / package).rglob("*.py"):
            for name in classes(module):
                places.setdefault(name, []).append(str(module.relative_to(ROOT)))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def classes(module: Path) -> Iterator[str]:
    """The public classes of ``module``, if it is neither a driver's nor for tests."""
    words = re.split(r"[/_.]", str(module.relative_to(ROOT)))
    if module.parent.name == "testing" or any(each in words for each in DRIVERS):
        return
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def public_methods(module: Path, name: str) -> set[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ClassDef) and node.name == name:
            functions = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
            return {each for each in functions if not each.startswith("_")}
    raise AssertionError(f"{module} has no class {name}")


def asked_of(names: tuple[str, ...], source: str) -> Iterator[str]:
    """The attributes that ``source`` asks of whatever has one of these ``names``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _name_of(node.value).lstrip("_") in names:
            yield node.attr


def _name_of(node: ast.expr) -> str:
    name: str = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name


def sources_above_the_roll() -> Iterator[Path]:
    for room in ABOVE_THE_ROLL:
        place = COORDINATOR / room
        yield from place.rglob("*.py") if place.is_dir() else (place,)


def test_nobody_reaches_through_the_roll() -> None:
    """Readers ask its view, writers use its verbs, whoever saves takes what is pending."""
    allowed = public_methods(COORDINATOR / "roll" / "roll.py", "Roll") | {"view", "pending"}
    assert "detector" not in allowed
    found = {
        f"{module.relative_to(COORDINATOR)}: roll.{name}"
        for module in sources_above_the_roll()
        for name in asked_of(("roll",), module.read_text())
        if name not in allowed
    }
    assert not found


def test_nobody_reaches_into_a_view() -> None:
    found = {
        f"{module.relative_to(COORDINATOR)}: {name}"
        for module in sources_above_the_roll()
        for name in asked_of(("view", "hearing", "pending"), module.read_text())
        if name.startswith("_")
    }
    assert not found


def test_a_reach_through_is_found() -> None:
    source = "members = self._roll.detector.members\nself._roll.set_facts(1, roll.facts[1], '')\n"
    assert sorted(asked_of(("roll",), source)) == ["detector", "facts", "set_facts"]
    assert list(asked_of(("view",), "self._view._parts.facts")) == ["_parts"]
