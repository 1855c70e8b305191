#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: systemd units as a set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: units
short_description: systemd units as a set, with their files and the configuration they run with
version_added: 0.1.0
description:
  - Compares each unit's file, whether it comes at boot and whether it runs, and changes only what differs.
  - A unit that runs since before one of its configuration files was written is restarted. That is read from the host,
    so a run that was cut off is finished by the next.
  - One call for a role's whole set of units.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  units:
    description: The units.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name, for example C(moefleet-pci-acs.service).
        type: str
        required: true
      content:
        description: The unit's file in C(/etc/systemd/system). When omitted, the unit is the distribution's.
        type: str
      enabled:
        description: Whether it comes at boot. When omitted, as it is.
        type: bool
      active:
        description: Whether it runs. When omitted, it is only restarted if it runs with an older configuration.
        type: bool
      configuration:
        description: Files that it reads when it starts.
        type: list
        elements: path
        default: []
  absent:
    description: Names of units whose files in C(/etc/systemd/system) are ours, to be stopped and removed.
    type: list
    elements: str
    default: []
  written:
    description: Files that this play has written, or would in check mode.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: The journal runs with its limits
  moefleet.serving.units:
    units:
      - name: systemd-journald.service
        active: true
        configuration: [/etc/systemd/journald.conf.d/60-moefleet.conf]
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import units as systemd

OPTIONS = {
    "name": {"type": "str", "required": True},
    "content": {"type": "str"},
    "enabled": {"type": "bool"},
    "active": {"type": "bool"},
    "configuration": {"type": "list", "elements": "path", "default": []},
}


def main() -> None:
    """Compare, and do what is missing."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True, "options": OPTIONS},
            "absent": {"type": "list", "elements": "str", "default": []},
            "written": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = {
        entry["name"]: systemd.Unit(
            entry["name"], entry["content"], entry["enabled"], entry["active"], tuple(entry["configuration"])
        )
        for entry in module.params["units"]
    }
    try:
        planned = systemd.removal(module.params["absent"])
        states = systemd.read(list(wanted), commands.run)
        for name, unit in wanted.items():
            planned += systemd.steps(unit, states[name], module.params["written"])
        if not module.check_mode:
            systemd.perform(planned, wanted, commands.run)
    except (OSError, KeyError, systemd.UnitError) as error:
        module.fail_json(msg=str(error))
    words = [str(step) for step in planned]
    diff = {"before": "", "after": "".join(f"{line}\n" for line in words), "before_header": "", "after_header": "units"}
    module.exit_json(changed=bool(planned), steps=words, diff=diff if planned else {})


if __name__ == "__main__":
    main()
