#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: Access Control Services of PCI bridges."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pci_acs
short_description: Switch Access Control Services of PCI bridges off, on the running machine
version_added: 0.1.0
description:
  - Reads the ACS control register (C(ACSCtl) of C(lspci), not C(ACSCap)) of the bridges and clears it where it
    redirects what peers send each other.
  - Does what C(setpci -s ADDRESS ECAP_ACS+0x6.w=0000) does, and reads it back. It lasts until the next boot.
  - Refuses where a device is bound to C(vfio-pci), since ACS is what isolates it, and where the service runs.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  scope:
    description: Bridges on the way to GPUs, accelerators and network ports (C(devices)), or C(all).
    type: str
    choices: [devices, all]
    default: devices
  service:
    description: With this unit active nothing is changed. Its traffic goes through the bridges.
    type: str
    default: moefleet-vllm.service
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: GPUs and ports behind one switch talk without a detour
  moefleet.serving.pci_acs:
"""

RETURN = r"""
bridges:
  description: The bridges in scope that have ACS, by address, each with the names of the redirecting bits that were on.
  returned: success
  type: dict
unknown:
  description: Bridges whose state can't be read, each with why.
  returned: success
  type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands, pci_acs


def main() -> None:
    """Look, and clear what is on."""
    module = AnsibleModule(
        argument_spec={
            "scope": {"type": "str", "choices": ["devices", "all"], "default": "devices"},
            "service": {"type": "str", "default": "moefleet-vllm.service"},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    root, service = Path(module.params["root"]), module.params["service"]
    bridges, unknown = pci_acs.look(root, module.params["scope"])
    differing = [bridge for bridge in bridges if bridge.on]
    assigned = pci_acs.given_away(root)
    if differing and assigned:
        module.fail_json(
            msg=f"ACS isolates {', '.join(assigned)}, which vfio-pci gives to a virtual machine:"
            " leave it on (host_tuning_acs: leave), or take the devices back first"
        )
    if differing and commands.run(["systemctl", "is-active", "--quiet", service]).status == 0:
        addresses = ", ".join(bridge.address for bridge in differing)
        module.fail_json(
            msg=f"ACS is on at {addresses}, and {service} sends through these bridges now:"
            f" stop it on every host of the group (systemctl stop {service}), then run this again"
        )
    failed = {}
    for bridge in [] if module.check_mode else differing:
        why = pci_acs.switch_off(bridge, root)
        if why:
            failed[bridge.address] = why
    if failed:
        module.fail_json(msg="; ".join(f"{address}: {why}" for address, why in failed.items()))
    diff = {
        "before": "".join(f"{bridge.address} {' '.join(bridge.on)}\n" for bridge in differing),
        "after": "".join(f"{bridge.address}\n" for bridge in differing),
        "before_header": "ACS control",
        "after_header": "ACS control",
    }
    module.exit_json(
        changed=bool(differing),
        bridges={bridge.address: list(bridge.on) for bridge in bridges},
        unknown=unknown,
        diff=diff if differing else {},
    )


if __name__ == "__main__":
    main()
