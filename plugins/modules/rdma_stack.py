#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: which RDMA modules a host has and runs, judged against what is asked for."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rdma_stack
short_description: Judge a host's RDMA kernel modules by what they are
version_added: 0.1.0
description:
  - Looks at the RDMA core and mlx5 modules on disk and in the running kernel, at DKMS, Secure Boot, headers and the
    GPU driver's peer memory, and says what is not as asked. Changes nothing.
  - Judges by C(modinfo) and the kernel, not by C(ofed_info), which tells a version where the kernel's own modules run,
    too.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode:
    support: none
    details: [There is nothing to show.]
  idempotent: {support: full}
options:
  kind:
    description: The stack that is asked for. V(inbox) is the kernel's own.
    type: str
    choices: [inbox, mlnx_ofed, doca]
    required: true
  version:
    description: The version of V(mlnx_ofed) or V(doca).
    type: str
    default: ""
  peer_memory:
    description: How the adapter reaches GPUs' memory. V(auto) takes the way that can be proven.
    type: str
    choices: [auto, dmabuf, peermem]
    default: auto
  interface:
    description: Name of the data interface, which may change with the driver. Empty for none.
    type: str
    default: ""
  kernels:
    description: Regular expressions, one of which a supported kernel's release matches. Empty for any.
    type: list
    elements: str
    default: []
  weak_updates:
    description: Whether modules that were built for another kernel (weak-updates) are accepted.
    type: bool
    default: false
  service:
    description: Unit whose ranks use the modules. Empty for none.
    type: str
    default: moefleet-vllm.service
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: The RDMA stack
  moefleet.serving.rdma_stack:
    kind: doca
    version: 2.9.5-0.1.8
    interface: ens1f0np0
  register: stack
"""

RETURN = r"""
kernel:
  description: Release of the running kernel.
  returned: always
  type: str
modules:
  description: By name, the module on disk (C(path), C(version), C(origin), C(built_for)) and whether it is C(loaded).
  returned: always
  type: dict
obstacles:
  description: What forbids to change the stack now. Each has C(code), C(level), C(what), C(fix).
  returned: always
  type: list
  elements: dict
findings:
  description: >-
    What is not as asked, in the same form. Levels are C(fail), C(unknown), C(reboot) (right after one), C(rebuild)
    (right after the GPU driver's modules are built again) and C(warn).
  returned: always
  type: list
  elements: dict
reboot_reasons:
  description: Why the host must reboot to run what is on disk.
  returned: always
  type: list
  elements: str
peer_memory:
  description: How GPUs' memory is reached, C(mode), the C(verdict) (C(pass), C(fail), C(unknown)) and C(reasons).
  returned: always
  type: dict
rebuild_commands:
  description: Commands that build the GPU driver's modules again, each a list of words; none where nothing asks for it.
  returned: always
  type: list
  elements: list
adapters:
  description: PCI addresses of the host's adapters.
  returned: always
  type: list
  elements: str
interfaces:
  description: Names of the host's interfaces.
  returned: always
  type: list
  elements: str
ofed_info:
  description: What C(ofed_info -s) says, for comparison; nothing is decided by it.
  returned: always
  type: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run
from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack import judge, look, model, peer_memory


def main() -> None:
    """Look, and judge."""
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "required": True, "choices": list(model.KINDS)},
            "version": {"type": "str", "default": ""},
            "peer_memory": {"type": "str", "choices": [model.AUTO, model.DMABUF, model.PEER], "default": model.AUTO},
            "interface": {"type": "str", "default": ""},
            "kernels": {"type": "list", "elements": "str", "default": []},
            "weak_updates": {"type": "bool", "default": False},
            "service": {"type": "str", "default": "moefleet-vllm.service"},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    options = {name: value for name, value in module.params.items() if name != "root"}
    wanted = model.Wanted(**{**options, "kernels": tuple(options["kernels"])})
    seen = look.Host(Path(module.params["root"]), run).see(wanted.service)
    peer = peer_memory.decide(wanted, seen)
    found = judge.findings(wanted, seen, peer)
    module.exit_json(
        changed=False,
        kernel=seen.kernel,
        modules={
            name: {
                "path": on_disk.path,
                "version": on_disk.version,
                "origin": on_disk.origin,
                "built_for": on_disk.kernel,
                "loaded": name in seen.loaded,
            }
            for name, on_disk in seen.disk.items()
        },
        obstacles=[finding.to_dict() for finding in judge.obstacles(wanted, seen)],
        findings=[finding.to_dict() for finding in found],
        reboot_reasons=[finding.what for finding in found if finding.level == model.REBOOT],
        peer_memory=peer.to_dict(),
        rebuild_commands=[list(command) for command in judge.rebuild_commands(seen, peer)],
        adapters=[adapter.address for adapter in seen.adapters],
        interfaces=list(seen.interfaces),
        ofed_info=seen.ofed_info or "",
    )


if __name__ == "__main__":
    main()
