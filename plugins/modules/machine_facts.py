#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a host is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_facts
short_description: Whether a host's kernel is its own, its processor, and who keeps its clock
version_added: 0.1.0
description:
  - Reads in one call what the role C(host_tuning) decides by. Changes nothing.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  paths:
    description: Files of which RV(machine.existing) tells those that are there. A path may contain C(*).
    type: list
    elements: path
    default: []
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: What this host is
  moefleet.serving.machine_facts:
  register: machine
"""

RETURN = r"""
machine:
  description: The host.
  returned: always
  type: dict
  contains:
    container:
      description: The kind of container, empty for a machine.
      type: str
    cpu_vendor:
      description: C(GenuineIntel), C(AuthenticAMD) or another name, empty where the kernel gives none.
      type: str
    existing:
      description: The files of O(paths) that are there.
      type: list
      elements: str
    clock:
      description: >-
        C(installed) and C(active) programs that keep the clock, whether it is C(synchronized), its error C(offset_s) in
        seconds, and the C(reason) where the last two are C(null).
      type: dict
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands, machine


def main() -> None:
    """Read the host."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": []},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    module.exit_json(
        changed=False,
        machine={
            "container": machine.container(root),
            "cpu_vendor": machine.cpu_vendor(root),
            "existing": machine.existing(module.params["paths"], root),
            "clock": asdict(machine.clock(commands.run, root)),
        },
    )


if __name__ == "__main__":
    main()
