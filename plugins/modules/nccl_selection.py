#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what NCCL takes of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nccl_selection
short_description: Say which RDMA ports and interfaces NCCL takes on a host
version_added: 0.1.0
description:
  - Applies NCCL's own matching rules for C(NCCL_IB_HCA) and C(NCCL_SOCKET_IFNAME), and Gloo's, to what the host has.
  - Fails where a variable selects nothing that is up, because NCCL itself would go on over TCP.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  environment:
    description: The environment that the ranks get. Only what selects something is looked at.
    type: dict
    required: true
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: The data network's device and nothing else
  moefleet.serving.nccl_selection:
    environment: {NCCL_IB_HCA: "=mlx5_0", NCCL_SOCKET_IFNAME: "=eth1", GLOO_SOCKET_IFNAME: eth1}
"""

RETURN = r"""
ports:
  description: RDMA ports that NCCL takes, such as C(mlx5_0:1).
  returned: always
  type: list
  elements: str
interfaces:
  description: Interfaces that NCCL takes for its own start.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.nccl.selection import look


def main() -> None:
    """Look, and fail where nothing is selected."""
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "dict", "required": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    environment = {str(name): str(value) for name, value in module.params["environment"].items()}
    found = look(environment, Path(module.params["root"]))
    seen = {"ports": list(found.ports), "interfaces": list(found.interfaces)}
    if found.problems:
        module.fail_json(msg="; ".join(found.problems), **seen)
    module.exit_json(changed=False, **seen)


if __name__ == "__main__":
    main()
