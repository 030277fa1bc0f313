"""A program: imports every module of packages while some libraries are not there, and prints which it cannot.

``python -m tests.unit.imports_without PACKAGE,… LIBRARY,…``
"""

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module


def refused(package: str) -> Iterator[str]:
    """The modules of a package that cannot be imported."""
    for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        try:
            found.name.endswith(".__main__") or import_module(found.name)
        except ImportError:
            yield found.name


def main(packages: str, libraries: str) -> None:
    """Hide the libraries, and print a line for each module that is refused."""
    for library in libraries.split(","):
        sys.modules[library] = None  # type: ignore[assignment]  # an ImportError for whoever asks
    for package in packages.split(","):
        sys.stdout.writelines(f"{name}\n" for name in refused(package))


if __name__ == "__main__":
    main(*sys.argv[1:])
