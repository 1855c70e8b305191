#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what the machine must have for the lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_requirements
short_description: Refuse a machine that can't hold the lab, before anything changes
version_added: 0.1.0
description:
  - Looks at privileges, kernel, memory, disk and port, and fails with everything that is missing at once, each with a
    fix.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  state_dir:
    description: Directory of the lab on this machine.
    type: path
    required: true
  memory_bytes:
    description: Memory that hosts and ranks need together, in bytes.
    type: int
    required: true
  reserve_bytes:
    description: Memory that the machine keeps for everything else, in bytes.
    type: int
    default: 1073741824
  disk_bytes:
    description: Disk that the lab still needs, in bytes, without its swap file.
    type: int
    required: true
  port:
    description: Loopback port that the API is to have.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: The machine can hold the lab
  moefleet.serving.lab_requirements:
    state_dir: /var/lib/moefleet/labs/lab
    memory_bytes: 11811160064
    disk_bytes: 8589934592
    port: 8000
"""

RETURN = r"""
packages:
  description: Debian packages that are to be installed.
  returned: always
  type: list
  elements: str
swap_bytes:
  description: Size of the swap file that the lab is going to make, 0 when memory suffices.
  returned: success
  type: int
problems:
  description: What is missing, each with C(code), C(message) and C(fix).
  returned: always
  type: list
  elements: dict
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.lab import processes, requirements, swap


def main() -> None:
    """Find all problems, and fail with all of them."""
    module = AnsibleModule(
        argument_spec={
            "state_dir": {"type": "path", "required": True},
            "memory_bytes": {"type": "int", "required": True},
            "reserve_bytes": {"type": "int", "default": swap.GIB},
            "disk_bytes": {"type": "int", "required": True},
            "port": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    state_dir = Path(given["state_dir"])
    swap_file = state_dir / "swapfile"
    need = requirements.Need(
        memory_bytes=given["memory_bytes"],
        reserve_bytes=given["reserve_bytes"],
        disk_bytes=given["disk_bytes"],
        directory=given["state_dir"],
        port=given["port"],
        swap_file_bytes=swap_file.stat().st_size if swap_file.exists() else 0,
    )
    ours = processes.recorded_pid(state_dir / "forward.pid") is not None
    found = requirements.problems(need, port_is_ours=ours)
    packages = requirements.missing_packages()
    plain = [asdict(problem) for problem in found]
    if found:
        words = "; ".join(f"{problem.code}: {problem.message} ({problem.fix})" for problem in found)
        module.fail_json(msg=f"This machine can't hold the lab. {words}", problems=plain, packages=packages)
    memory = swap.meminfo(Path("/proc/meminfo").read_text(encoding="utf-8"))
    swap_bytes = swap.swap_needed(memory, need.memory_bytes, need.reserve_bytes)
    module.exit_json(changed=False, packages=packages, swap_bytes=swap_bytes, problems=plain)


if __name__ == "__main__":
    main()
