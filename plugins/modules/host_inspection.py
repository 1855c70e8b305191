#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: one fast look at a host before anything on it changes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_inspection
short_description: Look at a host before anything on it changes
version_added: 0.1.0
description:
  - Sees in one call what decides whether a host can run its ranks. Nothing is changed and nothing is judged; see the
    filter P(moefleet.serving.preflight_findings#filter).
  - Every probe is a process of its own with the same time limit, and they run side by side. One that fails or hangs, as
    on a dead file server or a sick GPU, leaves V(null) and its reason; the others go on.
  - The PCI bus is read from C(/sys). C(nvidia-smi) is asked only where a driver runs, for MIG alone.
  - Run it as root. Other users don't see a bridge's ACS and whose a port is.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  hardware:
    description: Whether to look at GPUs and what they need of bus, firmware, kernel and drivers.
    type: bool
    default: false
  names:
    description: Host names that are resolved there, besides the host's own.
    type: list
    elements: str
    default: []
  ports:
    description: TCP ports of which is told who listens on them.
    type: list
    elements: int
    default: []
  paths:
    description: Paths whose room is looked at, whether they are there yet or not.
    type: list
    elements: path
    default: []
  python:
    description: A version of Python, as V(3.10), whose interpreter and headers are looked for. Empty looks for none.
    type: str
    default: ""
  user:
    description: The service's user.
    type: str
    default: moefleet
  timeout_s:
    description: How long in seconds a probe may take.
    type: float
    default: 5
  root:
    description: Prefix of every path, for images and tests. Below another than V(/) no command is run.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Look at the host
  moefleet.serving.host_inspection:
    hardware: true
    ports: [8000, 13345]
    paths: [/var/lib/moefleet/models/deepseek-v3, /dev/shm]
  register: seen

- name: How many GPUs the bus has
  ansible.builtin.debug:
    msg: "{{ seen.seen.gpus | length }}"
"""

RETURN = r"""
seen:
  description: What each probe saw, by its name; V(null) where it saw nothing.
  returned: always
  type: dict
  contains:
    system:
      description: Distribution, architecture, kernel, host name, machine id, and the Python that looked.
      type: dict
    memory:
      description: RV(seen.memory.total_bytes), C(available_bytes), C(swap_bytes), C(hugepages_bytes).
      type: dict
      contains:
        total_bytes:
          description: Memory in bytes, or the control group's limit where that is less.
          type: int
    limits:
      description: Hard limits that nothing on the host can go beyond; V(null) where init can raise them.
      type: dict
    shared_memory:
      description: Whether logind removes it, and whether the service's user is a system user.
      type: dict
    interfaces:
      description: Network interfaces with their MTU, rate, state, PCI device, driver, firmware and RDMA devices.
      type: list
      elements: dict
    addresses:
      description: Addresses by interface, without link-local ones.
      type: dict
    own_name:
      description: The host's C(name) and the C(addresses) that it resolves to there.
      type: dict
    peers:
      description: The addresses that each of O(names) resolves to.
      type: dict
    ports:
      description: Who has which of O(ports), and the range that the kernel hands out.
      type: dict
    packages:
      description: Installed, held, pinned and broken packages of the stack, and who holds the package manager's locks.
      type: dict
    paths:
      description: Room in bytes for each of O(paths).
      type: dict
    python:
      description: Whether interpreter and headers of O(python) are there.
      type: dict
    gpus:
      description: >-
        GPUs on the PCI bus with address, device id, driver and link width. With O(hardware) alone, as all that
        follow.
      type: list
      elements: dict
    nvswitches:
      description: NVSwitches on the PCI bus.
      type: list
      elements: dict
    bridges:
      description: Bridges above GPUs and network ports, with what of ACS is on.
      type: list
      elements: dict
    iommu:
      description: The IOMMU's units, the kernel's words for it, and how each GPU's group is mapped.
      type: dict
    secure_boot:
      description: Whether it is C(on), and by what C(source).
      type: dict
    kernels:
      description: The running and the installed kernels, and whether each has its headers.
      type: dict
    offers:
      description: Headers of kernel and Python that are missing, and the version that repositories have of them.
      type: dict
    modules:
      description: Kernel modules that matter and are loaded, with their version.
      type: dict
    kernel_log:
      description: What the kernel says of GPUs since boot.
      type: dict
    mig:
      description: GPUs in MIG mode, where a driver runs.
      type: dict
    reasons:
      description: By the name of the probe why it saw nothing.
      type: dict
    started_s:
      description: The host's clock when it began to look, in seconds since 1970.
      type: float
    ended_s:
      description: The same when it had looked.
      type: float
    controller:
      description: The controller's clock around the call, C(before_s) and C(after_s).
      type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import Look
from ansible_collections.moefleet.serving.plugins.module_utils.inspection.observe import Asked, observe

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "hardware": {"type": "bool", "default": False},
    "names": {"type": "list", "elements": "str", "default": []},
    "ports": {"type": "list", "elements": "int", "default": []},
    "paths": {"type": "list", "elements": "path", "default": []},
    "python": {"type": "str", "default": ""},
    "user": {"type": "str", "default": "moefleet"},
    "timeout_s": {"type": "float", "default": 5},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Look and tell."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = dict(module.params)
    # A command that hangs ends before its probe does, and has its own name in the reason.
    look = Look(Path(given.pop("root")), command_timeout_s=0.9 * given["timeout_s"])
    lists = {name: tuple(given[name]) for name in ("names", "ports", "paths")}
    module.exit_json(changed=False, seen=observe(look, Asked(**{**given, **lists})))


if __name__ == "__main__":
    main()
