"""Build hook for hatchling: `make wheel` puts a list of all that musterd needs into its wheel, and man pages.

The list is an SBOM in CycloneDX's JSON, where PEP 770 has it: `.dist-info/sboms/` of the wheel. Versions and
hashes are those of constraints.txt, licences and who needs whom those that the installed packages tell.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageMetadata, distribution
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.utils import get_reproducible_timestamp
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from musterd.cli.share import write_shared

PLACE = "build/musterd.cdx.json"
SHARE = "build/share"
PIN = re.compile(
    r"^(?P<name>\S+)==(?P<version>\S+)(?P<hashes>(?: \\\n +--hash=sha256:\w+)+)$", re.MULTILINE
)
ITSELF, EXTRA = canonicalize_name("musterd"), "coordinator"


class Extras(BuildHookInterface[Any]):
    """The hook makes the list, man pages and completion for shells before the wheel is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write them beside other things that are built, and have them packed."""
        root = Path(self.root)
        place = root / PLACE
        place.parent.mkdir(exist_ok=True)
        place.write_text(bill((root / "constraints.txt").read_text()))
        build_data["sbom_files"].append(PLACE)
        shutil.rmtree(root / SHARE, ignore_errors=True)
        write_shared(root / SHARE)
        build_data["shared_data"][SHARE] = "share"


def bill(constraints: str) -> str:
    """Return the list as JSON, the same for the same pins and the same packages."""
    pins = {canonicalize_name(pin["name"]): pin for pin in PIN.finditer(constraints)}
    agent, everybody = reached(ITSELF, ""), reached(ITSELF, EXTRA)
    components = {name: component(name, pins[name], name in agent) for name in everybody - {ITSELF}}
    components[ITSELF] = itself = application(distribution(ITSELF).metadata)
    made_at = datetime.fromtimestamp(get_reproducible_timestamp(), UTC)
    bom = Bom(
        metadata=BomMetaData(component=itself, timestamp=made_at),
        components=[part for part in components.values() if part is not itself],
        serial_number=uuid5(NAMESPACE_URL, f"{itself.purl} {constraints}"),
    )
    for name, part in components.items():
        bom.register_dependency(part, [components[other] for other in needs(name, EXTRA)])
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def reached(name: NormalizedName, extra: str) -> set[NormalizedName]:
    """Return a package with all that it needs, and that those need."""
    found, new = set[NormalizedName](), {name}
    while new:
        found |= new
        new = {other for one in new for other in needs(one, extra)} - found
    return found


def needs(name: NormalizedName, extra: str) -> Iterator[NormalizedName]:
    """Yield what an installed package needs here; of musterd the extra, too."""
    environment = {"extra": extra if name == ITSELF else ""}
    for requirement in map(Requirement, distribution(name).requires or []):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield canonicalize_name(requirement.name)


def application(of: PackageMetadata) -> Component:
    """Return musterd as the list has it."""
    return Component(
        type=ComponentType.APPLICATION,
        name=of["Name"],
        version=of["Version"],
        bom_ref=of["Name"],
        purl=PackageURL("pypi", name=of["Name"], version=of["Version"]),
        licenses=[LicenseFactory().make_from_string(licence(of))],
    )


def component(name: str, pin: re.Match[str], is_agents: bool) -> Component:
    """Return one package: with a hash for each of its files, one of which an installation has.

    :raises ValueError: what is installed is not what is pinned, so that its licence may differ.
    """
    of = distribution(name).metadata
    if of["Version"] != pin["version"]:
        raise ValueError(f"{name} {of['Version']} is installed, not {pin['version']}: make setup")
    return Component(
        name=name,
        version=pin["version"],
        bom_ref=name,
        purl=PackageURL("pypi", name=name, version=pin["version"]),
        scope=ComponentScope.REQUIRED if is_agents else ComponentScope.OPTIONAL,
        licenses=[LicenseFactory().make_from_string(licence(of))],
        hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=one)
            for one in re.findall(r"sha256:(\w+)", pin["hashes"])
        ],
    )


def licence(of: PackageMetadata) -> str:
    """Return what a package says of its licence: an SPDX expression where it has one.

    :raises IndexError: it says nothing.
    """
    said: list[str] = of.get_all("License-Expression") or of.get_all("License") or []
    return said[0]
