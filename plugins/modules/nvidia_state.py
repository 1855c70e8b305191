#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: one look at a host's GPU driver, judged."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_state
short_description: Look at a host's GPU driver and judge it
version_added: 0.1.0
description:
  - Looks once at packages, kernel modules, DKMS, Secure Boot, units, the PCI bus and C(nvidia-smi), and says what
    forbids an installation, what needs a reboot, and what has to be right before anything uses the GPUs. Changes
    nothing.
  - Every question has a time limit, so that a GPU that hangs can't hang the play.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode:
    support: none
    details: [There is nothing to show.]
  idempotent: {support: full}
options:
  version:
    description: The driver's full version that is wanted. Empty for any.
    type: str
    default: ""
  gpus:
    description: How many GPUs the host must have. 0 for as many as are on its bus.
    type: int
    default: 0
  nvswitch:
    description: Whether the host has NVSwitches and so needs a fabric manager. V(auto) looks at the bus and the driver.
    type: str
    choices: [auto, "true", "false"]
    default: auto
  dkms:
    description: Whether the modules are built here, by DKMS.
    type: bool
    default: true
  ibgda:
    description: Whether the driver must run with the options that IBGDA needs.
    type: bool
    default: false
  peer_memory:
    description: By which way a network adapter reaches GPUs' memory.
    type: str
    choices: [dmabuf, peermem]
    default: dmabuf
  foreign:
    description: Globs of packages that come from another source than the wanted driver's.
    type: list
    elements: str
    default: []
  ignore_xids:
    description: Xid errors in the kernel's log that are known and accepted.
    type: list
    elements: int
    default: []
  wait_s:
    description: How long in seconds to wait for what may become right by itself, as long as nothing else is wrong.
    type: int
    default: 0
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
  hardware:
    description: Prefix of C(/proc) and C(/sys), for tests. When omitted, that of O(root).
    type: path
"""

EXAMPLES = r"""
- name: Is every GPU there, and its fabric ready
  moefleet.serving.nvidia_state:
    version: 550.144.03
    gpus: 8
  register: driver
"""

RETURN = r"""
obstacles:
  description: What forbids to install a driver, each with C(code), C(verdict), C(what) and C(fix).
  returned: always
  type: list
  elements: dict
gates:
  description: What must be right before anything uses the GPUs and isn't; C(wait) where it may become so by itself.
  returned: always
  type: list
  elements: dict
reboot_reasons:
  description: Why a reboot is needed, in words.
  returned: always
  type: list
  elements: str
kernel:
  description: The running kernel.
  returned: always
  type: str
next_kernel:
  description: The kernel that boots next.
  returned: always
  type: str
loaded:
  description: The loaded driver's version, null where none is loaded.
  returned: always
  type: str
installed:
  description: Version of the module for the running kernel, null where there is none.
  returned: always
  type: str
modules:
  description: Which of C(nvidia), C(nouveau), C(nvidia_peermem) and C(nv_peer_mem) are loaded.
  returned: always
  type: list
  elements: str
nvswitch:
  description: Whether the host has NVSwitches, or is said to.
  returned: always
  type: bool
gpus:
  description: PCI addresses of the GPUs on the bus.
  returned: always
  type: list
  elements: str
units:
  description: The driver's units that exist, by name.
  returned: always
  type: dict
reasons:
  description: What could not be seen, and why.
  returned: always
  type: dict
"""

import time
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run
from ansible_collections.moefleet.serving.plugins.module_utils.nvidia import judge, look, model

POLL_S = 5.0
NVSWITCH = {"auto": None, "true": True, "false": False}


def main() -> None:
    """Look, and judge."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "default": ""},
            "gpus": {"type": "int", "default": 0},
            "nvswitch": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
            "dkms": {"type": "bool", "default": True},
            "ibgda": {"type": "bool", "default": False},
            "peer_memory": {"type": "str", "choices": [model.DMABUF, model.PEER], "default": model.DMABUF},
            "foreign": {"type": "list", "elements": "str", "default": []},
            "ignore_xids": {"type": "list", "elements": "int", "default": []},
            "wait_s": {"type": "int", "default": 0},
            "root": {"type": "path", "default": "/"},
            "hardware": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    wanted = model.Wanted(
        version=params["version"],
        gpus=params["gpus"],
        nvswitch=NVSWITCH[params["nvswitch"]],
        dkms=params["dkms"],
        ibgda=params["ibgda"],
        peer_memory=params["peer_memory"],
        foreign=tuple(params["foreign"]),
        ignore_xids=tuple(params["ignore_xids"]),
    )
    hardware = Path(params["hardware"]) if params["hardware"] else None
    deadline = time.monotonic() + params["wait_s"]
    while True:
        seen = look.Host(run, Path(params["root"]), hardware).see()
        gates = judge.gates(wanted, seen)
        if not judge.worth_waiting(gates) or time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    module.exit_json(
        changed=False,
        obstacles=[finding.to_dict() for finding in judge.obstacles(wanted, seen)],
        gates=[finding.to_dict() for finding in gates],
        reboot_reasons=judge.reboot_reasons(wanted, seen),
        kernel=seen.kernel,
        next_kernel=seen.next_kernel,
        loaded=seen.loaded,
        installed=seen.installed,
        modules=sorted(seen.modules),
        nvswitch=judge.nvswitch(wanted, seen),
        gpus=list(seen.gpus),
        units={name: asdict(unit) for name, unit in seen.units.items()},
        reasons=dict(seen.reasons),
    )


if __name__ == "__main__":
    main()
