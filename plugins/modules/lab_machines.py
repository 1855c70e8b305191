#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: hosts of the lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_machines
short_description: Boot or remove the lab's hosts
version_added: 0.1.0
description:
  - Each host is a systemd in a container over one shared root file system, with its own network namespace and control
    group.
  - A host that runs and is what it should be is left alone; one that is half-built, stopped or described differently is
    made anew.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  lab:
    description: Name of the lab.
    type: str
    required: true
  state_dir:
    description: Directory of the lab on this machine.
    type: path
    required: true
  rootfs:
    description: The root file system that all hosts share, read-only to them. Required when O(state=present).
    type: path
  hosts:
    description: Hosts, each with C(name), C(files) (contents by path) and C(binds) (directories of this machine by path
      inside).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Host name.
        type: str
        required: true
      files:
        description: Contents by path.
        type: dict
        default: {}
      binds:
        description: Directories of this machine by path inside.
        type: dict
        default: {}
  state:
    description: Whether the hosts run, or are gone with everything they wrote.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Two hosts
  moefleet.serving.lab_machines:
    lab: small
    state_dir: /var/lib/moefleet/labs/small
    rootfs: /var/lib/moefleet/rootfs/abc
    hosts:
      - {name: a, files: {/etc/hostname: a}}
      - {name: b, files: {/etc/hostname: b}}
"""

RETURN = r"""
made:
  description: Hosts that were booted, or would be in check mode.
  returned: when O(state=present)
  type: list
  elements: str
removed:
  description: Hosts that were removed, or would be.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.lab import cgroups, machines, network
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError


def leftovers(lab: str, state_dir: Path) -> list[str]:
    """Names of hosts of this lab of which a directory or a control group exists."""
    prefix = cgroups.group_of(lab, "")
    names = {path.name for path in (state_dir / "hosts").glob("*") if path.is_dir()}
    names |= {path.name[len(prefix) :] for path in cgroups.root().glob(f"{prefix}*") if path.is_dir()}
    return sorted(names)


def remove(lab: str, state_dir: Path, names: list[str]) -> None:
    """Shut hosts down together, then clear them away one by one."""
    gone = [machines.Machine(name, lab, str(state_dir), "", "") for name in names]
    for machine in gone:
        machines.halt(machine)
    for machine in gone:
        machines.bury(machine)


def main() -> None:
    """Compare hosts that run with hosts that should."""
    host_options = {
        "name": {"type": "str", "required": True},
        "files": {"type": "dict", "default": {}},
        "binds": {"type": "dict", "default": {}},
    }
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "rootfs": {"type": "path"},
            "hosts": {"type": "list", "elements": "dict", "default": [], "options": host_options},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["rootfs"])],
        supports_check_mode=True,
    )
    lab, state_dir = module.params["lab"], Path(module.params["state_dir"])
    wanted = [
        machines.Machine(
            host["name"],
            lab,
            str(state_dir),
            module.params["rootfs"],
            f"moefleet-{lab}-{host['name']}",
            host["files"],
            host["binds"],
        )
        for host in module.params["hosts"]
        if module.params["state"] == "present"
    ]
    try:
        network.require_plain_name(lab)
        there = leftovers(lab, state_dir)
        new = [machine for machine in wanted if not machines.as_wanted(machine)]
        renewed = {machine.name for machine in new}
        kept = {machine.name for machine in wanted} - renewed
        stale = [name for name in there if name not in kept]
        if not module.check_mode:
            remove(lab, state_dir, stale)
            for machine in new:
                machines.begin(machine)
            for machine in new:
                machines.await_boot(machine)
    except LabError as error:
        module.fail_json(msg=str(error))
    changed = bool(new or stale)
    diff = {
        "before": "".join(f"{name}\n" for name in there),
        "after": "".join(f"{name}\n" for name in sorted(kept | renewed)),
    }
    module.exit_json(
        changed=changed,
        made=sorted(renewed),
        removed=[name for name in stale if name not in renewed],
        diff=diff if changed else {},
    )


if __name__ == "__main__":
    main()
