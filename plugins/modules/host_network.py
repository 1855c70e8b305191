#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a host's interfaces, by the backend that the host uses. The action of the same name drives it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_network
short_description: Give a host's interfaces their addresses, MTU and routes, and take back what cuts the controller off
version_added: 0.1.0
description:
  - Finds each interface by its MAC address, PCI address or name, and writes the files of the one backend that this host
    uses, which is netplan, systemd-networkd, NetworkManager or ifupdown. A host where two of them have the same
    interface is refused.
  - What decides whether anything has to change is what the kernel has, and the files that bring it back at boot.
  - A change arms a timer on the host that puts the old files and addresses back. The action ends its connection, comes
    back by a new one, and only then disarms it. A change after which the controller doesn't come back, or that doesn't
    come into effect, takes itself back, and the task fails with what happened.
  - Every data interface gets a routing table of its own, which what leaves from its addresses uses.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  interfaces:
    description: The interfaces. Those that are not named are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      role:
        description: What the interface is for. The one with role V(management) is changed last.
        type: str
        choices: [management, data, storage]
        required: true
      name:
        description: Its name, at the latest from the next boot on.
        type: str
        required: true
      match:
        description:
          - How it is found, by one of C(mac), C(pci) and C(name).
          - Names change with drivers (C(ens1f0) became C(ens1f0np0)); addresses stay.
          - Required unless O(interfaces[].state=absent).
        type: dict
        suboptions:
          mac:
            description: MAC address.
            type: str
          pci:
            description: PCI address, such as V(0000:b1:00.0).
            type: str
          name:
            description: Its present name, which it keeps.
            type: str
      addresses:
        description: Addresses with prefix length.
        type: list
        elements: str
        default: []
      mtu:
        description: MTU in bytes. Without it the interface keeps the one that it has.
        type: int
      gateway:
        description: The next hop of everything else. Only a management interface's is the host's default; any other's
          is used by what leaves from the interface's own addresses.
        type: str
      routes:
        description: Further networks, with C(to) and C(via).
        type: list
        elements: dict
        default: []
        suboptions:
          to:
            description: The network.
            type: str
            required: true
          via:
            description: The next hop. Without it the network is on the link.
            type: str
      dns:
        description: Name servers.
        type: list
        elements: str
        default: []
      state:
        description: With V(absent) the files that an earlier run wrote are removed.
        type: str
        choices: [present, absent]
        default: present
  backend:
    description: The backend, where what can be seen doesn't decide it. One that has the interfaces already is not
      replaced.
    type: str
    choices: [auto, netplan, networkd, NetworkManager, ifupdown]
    default: auto
  rollback_s:
    description: Seconds until a change that nobody confirmed is taken back.
    type: int
    default: 120
  settle_s:
    description: Seconds that the backend may take until addresses, MTU and routes hold. A change that doesn't is taken
      back.
    type: int
    default: 15
  service:
    description: While this unit is active nothing is changed on a data interface.
    type: str
    default: moefleet-vllm.service
  step:
    description: Which part of a change. The action sets it.
    type: str
    choices: [change, settle]
    default: change
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Three networks
  moefleet.serving.host_network:
    interfaces:
      - role: management
        match: {mac: "b8:59:9f:00:00:01"}
        name: eth0
        addresses: [10.0.1.10/24]
        gateway: 10.0.1.1
      - role: data
        match: {pci: "0000:b1:00.0"}
        name: eth1
        addresses: [192.168.1.10/24]
        mtu: 4200
      - role: storage
        match: {name: eth2}
        name: eth2
        addresses: [172.16.1.10/24]
"""

RETURN = r"""
backend:
  description: The backend that has the interfaces.
  returned: success
  type: str
files:
  description: Files that were written or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
differences:
  description: What did not hold before, in words.
  returned: success
  type: list
  elements: str
surplus:
  description: Addresses on these interfaces that nobody asked for. They are left alone.
  returned: success
  type: list
  elements: str
reboot_reasons:
  description: Why a boot is needed. A port in use can't be renamed.
  returned: success
  type: list
  elements: str
outcome:
  description: How far the change has come, C(waiting), C(confirmed) or C(rolled-back).
  returned: for O(step=settle)
  type: str
why:
  description: Why the change was taken back.
  returned: for O(step=settle)
  type: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import outlook, transaction
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import NetworkError
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run_briefly as run

INTERFACE: dict[str, dict[str, Any]] = {
    "role": {"type": "str", "choices": ["management", "data", "storage"], "required": True},
    "name": {"type": "str", "required": True},
    "match": {"type": "dict", "options": {"mac": {"type": "str"}, "pci": {"type": "str"}, "name": {"type": "str"}}},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "mtu": {"type": "int"},
    "gateway": {"type": "str"},
    "routes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"to": {"type": "str", "required": True}, "via": {"type": "str"}},
    },
    "dns": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "interfaces": {"type": "list", "elements": "dict", "required": True, "options": INTERFACE},
    "backend": {
        "type": "str",
        "choices": ["auto", "netplan", "networkd", "NetworkManager", "ifupdown"],
        "default": "auto",
    },
    "rollback_s": {"type": "int", "default": 120},
    "settle_s": {"type": "int", "default": 15},
    "service": {"type": "str", "default": "moefleet-vllm.service"},
    "step": {"type": "str", "choices": ["change", "settle"], "default": "change"},
    "root": {"type": "path", "default": "/"},
}


def diff_of(found: outlook.Outlook) -> list[dict[str, str]]:
    """Each file, and what holds against what is wanted."""
    diff = [
        {
            "before": change.before or "",
            "after": change.after or "",
            "before_header": change.path,
            "after_header": change.path,
        }
        for change in found.files
    ]
    if found.differences:
        now = "".join(f"{one.interface}: {one.what} {one.now}\n" for one in found.differences)
        wanted = "".join(f"{one.interface}: {one.what} {one.wanted}\n" for one in found.differences)
        diff.append({"before": now, "after": wanted, "before_header": "effective", "after_header": "effective"})
    return diff


def change(options: dict[str, Any], check: bool) -> dict[str, Any]:
    """Compare, and arm the change unless nothing differs or this only looks."""
    root = Path(options["root"])
    forced = "" if options["backend"] == "auto" else options["backend"]
    found = outlook.look(options["interfaces"], forced, root, run)
    refused = outlook.guarded(found, options["service"], run) if found.changed else []
    if refused:
        raise NetworkError("; ".join(refused))
    if found.changed and not check:
        transaction.arm(found, options["rollback_s"], root, run)
    return {
        "changed": found.changed,
        "backend": found.backend,
        "files": [one.path for one in found.files],
        "differences": [str(one) for one in found.differences],
        "surplus": list(found.surplus),
        "reboot_reasons": list(found.reboot_reasons),
        "diff": diff_of(found),
        "warnings": list(found.warnings),
    }


def settle(options: dict[str, Any]) -> dict[str, Any]:
    """How far the change has come: confirm it when it holds, take it back when it doesn't in time."""
    root = Path(options["root"])
    now = transaction.state(root, run)
    if now.outcome != transaction.APPLIED:
        waits = transaction.waits_for(now.outcome)
        return {"changed": False, "outcome": "waiting" if waits else now.outcome, "why": now.why}
    try:
        forced = "" if options["backend"] == "auto" else options["backend"]
        missing = [str(one) for one in outlook.look(options["interfaces"], forced, root, run).differences]
    except NetworkError as error:
        missing = [str(error)]
    if not missing:
        kept = transaction.confirm(root, run)
        return {"changed": False, "outcome": transaction.CONFIRMED if kept else "waiting", "why": now.why}
    if now.age_s >= options["settle_s"]:
        transaction.take_back(f"not in effect after {now.age_s:.0f} s: {'; '.join(missing)}", root, run)
    return {"changed": False, "outcome": "waiting", "why": "; ".join(missing)}


def main() -> None:
    """One step of a change."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        if module.params["step"] == "settle":
            result = settle(module.params)
        else:
            result = change(module.params, module.check_mode)
    except NetworkError as error:
        module.fail_json(msg=str(error))
    for words in result.pop("warnings", []):
        module.warn(words)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
