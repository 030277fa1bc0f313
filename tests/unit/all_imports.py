"""A program: imports libraries, then every module of musterd, and prints what that changed in them."""

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

# structlog is left out: it would import rich before anybody could hide it.
LIBRARIES = (
    "aiomcache",
    "anyio",
    "asyncpg",
    "msgspec",
    "starlette",
    "uvicorn",
    "asyncio",
    "socket",
    "sqlite3",
)
IN_NOVA = "musterd_coordinator.demo.openstack."
NOVAS = (f"{IN_NOVA}controller", f"{IN_NOVA}hosts")
"""What runs in an environment of Nova's own, and in none of ours."""
OURS = ("musterd", "musterd_agent", "musterd_coordinator")

Seen = dict[str, object]


def changes() -> Iterator[str]:
    """A line for each change, and last how much was looked at."""
    for library in LIBRARIES:
        import_module(library)
    modules = dict(sys.modules)
    before = seen(modules)
    for package in OURS:
        import_all(package)
    after = seen(modules)
    for name in before:  # what is new may be what a library imports of itself only when asked to
        if before[name] is not after.get(name):
            yield f"{name} was changed"
    for name, module in sys.modules.items():
        if module is None or module is not modules.get(name, module):
            yield f"{name} was hidden, or is another module"
    yield str(len(before))


def seen(modules: dict[str, ModuleType]) -> Seen:
    """What stands in those modules that are a library's, and in their classes, by name."""
    found: Seen = {}
    for name, module in modules.items():
        if name.partition(".")[0] in LIBRARIES:
            for key, value in attributes(module):
                found[f"{name}.{key}"] = value
                if isinstance(value, type) and value.__module__ == name:
                    found |= {f"{name}.{key}.{part}": each for part, each in attributes(value)}
    return found


def attributes(owner: ModuleType | type) -> Iterator[tuple[str, object]]:
    """What stands in a module or a class; not its sub-modules, which anybody may import."""
    for key, value in vars(owner).items():
        if not isinstance(value, ModuleType) and key != "__warningregistry__":
            yield key, value


def import_all(name: str) -> None:
    """Import a package and all that is in it."""
    package = import_module(name)
    for found in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not found.name.endswith(".__main__") and found.name not in NOVAS:
            import_module(found.name)


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in changes())
