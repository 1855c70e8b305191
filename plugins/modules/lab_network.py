#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: networks of the lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_network
short_description: Make or remove the lab's networks
version_added: 0.1.0
description:
  - One namespace holds the switches (bridges), each host has a namespace with its ports. Only what is missing is made,
    and what the topology doesn't have (any more) is taken away.
  - The machine's own interfaces, routes and addresses are never touched.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  lab:
    description: Name of the lab, letters and digits only; every namespace begins with C(moefleet-NAME-).
    type: str
    required: true
  networks:
    description: The networks.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name, at most 8 characters.
        type: str
        required: true
      mtu:
        description: MTU in bytes.
        type: int
        default: 1500
      gateway:
        description: The switch's own address in this network, with prefix length.
        type: str
  hosts:
    description: The hosts and their ports.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Host name.
        type: str
        required: true
      interfaces:
        description: Ports, each with C(name), C(network) and C(address) (with prefix length).
        type: list
        elements: dict
        required: true
  state:
    description: Whether the networks are there, or gone with every process in them.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Two hosts on one network
  moefleet.serving.lab_network:
    lab: small
    networks: [{name: data, mtu: 4200, gateway: 192.168.1.1/24}]
    hosts:
      - {name: a, interfaces: [{name: eth1, network: data, address: 192.168.1.10/24}]}
      - {name: b, interfaces: [{name: eth1, network: data, address: 192.168.1.11/24}]}
"""

RETURN = r"""
namespaces:
  description: The namespaces of the lab.
  returned: always
  type: list
  elements: str
commands:
  description: What was run, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.lab import network
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError, run
from ansible_collections.moefleet.serving.plugins.module_utils.lab.processes import end


def remove(lab: str, check_mode: bool) -> list[str]:
    """Take the lab's namespaces away, with what still runs in them; returns their names."""
    namespaces = network.owned_namespaces(lab)
    if not check_mode:
        for namespace in namespaces:
            for pid in run([network.IP, "netns", "pids", namespace]).split():
                end(int(pid))
            run([network.IP, "netns", "delete", namespace])
    return namespaces


def main() -> None:
    """Compare what is there with the topology, and run the difference."""
    network_options = {
        "name": {"type": "str", "required": True},
        "mtu": {"type": "int", "default": 1500},
        "gateway": {"type": "str"},
    }
    host_options = {
        "name": {"type": "str", "required": True},
        "interfaces": {"type": "list", "elements": "dict", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "str", "required": True},
            "networks": {"type": "list", "elements": "dict", "default": [], "options": network_options},
            "hosts": {"type": "list", "elements": "dict", "default": [], "options": host_options},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    lab = module.params["lab"]
    try:
        network.require_plain_name(lab)
        if module.params["state"] == "absent":
            namespaces = remove(lab, module.check_mode)
            commands = [f"ip netns delete {namespace}" for namespace in namespaces]
        else:
            topology = network.topology_from(lab, module.params["networks"], module.params["hosts"])
            namespaces = topology.namespaces()
            needed = network.missing(topology, network.observe(topology))
            commands = [" ".join(command) for command in needed]
            for command in [] if module.check_mode else needed:
                run(command)
    except LabError as error:
        module.fail_json(msg=str(error))
    after = "".join(f"{command}\n" for command in commands)
    module.exit_json(
        changed=bool(commands), namespaces=namespaces, commands=commands, diff={"before": "", "after": after}
    )


if __name__ == "__main__":
    main()
