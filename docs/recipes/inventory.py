#!/usr/bin/env python3
"""An inventory for Ansible: hosts by state, zone and whether they may take work.

`MUSTERD_COORDINATOR=http://control:8420 ansible -i inventory.py up -m ping`
"""

import json
import os
import re
import sys

from musterd import Client


def inventory(musterd: Client, group: str) -> dict[str, object]:
    """Return what Ansible asks of a script by ``--list``."""
    groups: dict[str, list[str]] = {}
    facts: dict[str, dict[str, object]] = {}
    for member in musterd.members(group):
        zone = re.sub(r"\W", "_", member.zone)
        names = [member.state.value, *([f"zone_{zone}"] if zone else [])]
        for name in [*names, *(["schedulable"] if member.schedulable else [])]:
            groups.setdefault(name, []).append(member.member)
        facts[member.member] = {"musterd_zone": member.zone, "musterd_owner": member.owner}
    lists = {name: {"hosts": hosts} for name, hosts in groups.items()}
    return {**lists, "_meta": {"hostvars": facts}}


if __name__ == "__main__":
    with Client(os.environ["MUSTERD_COORDINATOR"], token=os.environ.get("MUSTERD_TOKEN")) as asked:
        json.dump(inventory(asked, os.environ.get("MUSTERD_GROUP", "compute")), sys.stdout)
