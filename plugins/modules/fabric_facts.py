#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host has to measure its fabric with, and whether a service runs on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_facts
short_description: What a host has to measure the fabric with
version_added: 0.1.0
description:
  - Looks for the tools that measure links, for the RDMA device behind the data network's interface with the GID to use,
    for GPUs, and for a running service, beside which nothing should be measured.
  - Reads only. What isn't there is no error.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full, details: It changes nothing.}
  idempotent: {support: full}
options:
  interface:
    description: The data network's interface. Empty where none is known, and then no RDMA device is looked for.
    type: str
    default: ""
  unit:
    description: The service's unit. Empty to leave it out.
    type: str
    default: ""
  files:
    description: Programs with their paths that may be there, such as those of nccl-tests.
    type: list
    elements: path
    default: []
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: What there is to measure with
  moefleet.serving.fabric_facts:
    interface: eth1
    unit: moefleet-vllm.service
  register: fabric
"""

RETURN = r"""
fabric:
  description: What was seen.
  returned: success
  type: dict
  contains:
    tools:
      description: By name, the path of each tool that is there.
      type: dict
    files:
      description: Those of O(files) that are there.
      type: list
      elements: str
    rdma:
      description: C(device), C(port) and C(gid_index) of RoCE v2 over IPv4, null where there is none.
      type: dict
    rdma_reason:
      description: Why there is none.
      type: str
    gpus:
      description: How many GPUs NVIDIA's driver has.
      type: int
    mtu:
      description: The interface's MTU in bytes, null where it can't be read.
      type: int
    service:
      description: The unit's state, such as V(active). Null where it wasn't asked for or systemd doesn't say it.
      type: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run_briefly as run
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.place import look


def main() -> None:
    """Look, and return what there is."""
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "default": ""},
            "unit": {"type": "str", "default": ""},
            "files": {"type": "list", "elements": "path", "default": []},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    given = module.params
    seen = look(run, given["interface"], unit=given["unit"], files=given["files"], root=Path(given["root"]))
    module.exit_json(changed=False, fabric=seen)


if __name__ == "__main__":
    main()
