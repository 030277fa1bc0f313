"""Write constraints.txt from pins: each with the hashes of all files that pip may take of it.

Pins come by standard input, as `pip freeze` prints them, or from constraints.txt itself; hashes from the
index that pip is configured for. CONTRIBUTING.md says when to run it.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from pip._internal.commands import create_command

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
HEADER = """\
# Every package that set-up installs, for Python 3.11 to 3.14, with the hashes of its files for Linux; pip
# and the build included. CONTRIBUTING.md says how to renew it."""
PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)")
INTERPRETERS = {"py2", "py3", "cp311", "cp312", "cp313", "cp314"}
OLDER_WITH_STABLE_ABI = re.compile(r"cp3\d+")  # a wheel for `abi3` serves each later Python, too
PLATFORM = re.compile(r"any|(many|musl)?linux.*_(x86_64|aarch64)")


def main() -> None:
    """Write the file anew, from pins on standard input."""
    pins = sorted(
        filter(None, map(PIN.match, sys.stdin)), key=lambda pin: canonicalize_name(pin["name"])
    )
    entries = ["".join(entry(pin["name"], pin["version"])) for pin in pins]
    CONSTRAINTS.write_text("\n".join([HEADER, *entries, ""]))


def entry(name: str, version: str) -> Iterator[str]:
    """Yield the lines of one pin.

    :raises SystemExit: the index has no file of that version that we could install.
    """
    found = sorted(
        {file["hashes"]["sha256"] for file in files(name) if is_wanted(file["filename"], version)}
    )
    if not found:
        sys.exit(f"{name}=={version}: the index has no file of it for our machines")
    yield f"{name}=={version}"
    yield from (f" \\\n    --hash=sha256:{digest}" for digest in found)


def files(name: str) -> list[dict[str, Any]]:
    """Return what the index has of a package, of all its versions."""
    options, _ = create_command("download").parse_args([])  # with pip's files and environment
    url = urljoin(f"{options.index_url.rstrip('/')}/", f"{canonicalize_name(name)}/")
    asked = urllib.request.Request(url, headers={"Accept": "application/vnd.pypi.simple.v1+json"})  # noqa: S310 - pip's own index
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - the same
        return json.load(answer)["files"]  # type: ignore[no-any-return]  # PEP 691


def is_wanted(filename: str, version: str) -> bool:
    """Return whether it is a file of that version: the source, or a wheel for one of our machines."""
    try:
        if filename.endswith(".whl"):
            _, its, _, tags = parse_wheel_filename(filename)
            return str(its) == version and any(map(serves, tags))
        return str(parse_sdist_filename(filename)[1]) == version
    except (InvalidWheelFilename, InvalidSdistFilename):
        return False  # of another kind, or named before there were rules


def serves(tag: Tag) -> bool:
    """Return whether a wheel with this tag can be installed where musterd runs."""
    old = tag.abi == "abi3" and OLDER_WITH_STABLE_ABI.fullmatch(tag.interpreter)
    ours = tag.interpreter in INTERPRETERS and tag.abi in {"none", "abi3", tag.interpreter}
    return bool(old or ours) and bool(PLATFORM.fullmatch(tag.platform))


if __name__ == "__main__":
    main()
