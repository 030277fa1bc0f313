"""What is packed says what it needs, and what is installed was seen before."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from musterd.cli.share import shared_files

ROOT = Path(__file__).parents[2]


def build_wheel(folder: Path, **environment: str) -> ZipFile:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return ZipFile(wheel)


def test_a_wheel_lists_all_that_it_needs_with_version_licence_and_hashes(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, HATCH_BUILD_HOOK_ENABLE_CUSTOM="true")
    [name] = [name for name in wheel.namelist() if ".dist-info/sboms/" in name]
    listed = {part["name"]: part for part in json.loads(wheel.read(name))["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["coordinator"]
    for line in project["dependencies"] + extra:
        part = listed[canonicalize_name(Requirement(line).name)]
        assert part["version"] in Requirement(line).specifier
        assert part["licenses"]
        assert part["hashes"]
        assert part["scope"] == ("optional" if line in extra else "required")


def test_a_wheel_has_man_pages_and_completion(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, HATCH_BUILD_HOOK_ENABLE_CUSTOM="true")
    packed = {
        name.partition(".data/data/share/")[2]: wheel.read(name).decode()
        for name in wheel.namelist()
        if ".data/" in name
    }
    assert packed == shared_files()


def test_users_who_build_musterd_need_nothing_for_that_list(tmp_path: Path) -> None:
    assert not [name for name in build_wheel(tmp_path).namelist() if "sboms" in name]


def test_each_package_that_set_up_installs_is_pinned_by_hashes() -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    pins = re.findall(r"^\S+==\S+", constraints, re.MULTILINE)
    hashed = re.findall(
        r"^\S+==\S+(?: \\\n    --hash=sha256:[0-9a-f]{64})+$", constraints, re.MULTILINE
    )
    assert len(hashed) == len(pins) > 50
    names = [canonicalize_name(pin.partition("==")[0]) for pin in pins]
    assert names == sorted(set(names))  # twice with two versions, and nothing can be installed
