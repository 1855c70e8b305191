#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: swap file of the lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_swap
short_description: Give the lab a swap file of its own where memory is short
version_added: 0.1.0
description:
  - Compares what the lab needs with the machine's memory, and makes a swap file for what is missing.
  - With O(state=absent), switches that file off and deletes it. Other swap of the machine is left alone.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  path:
    description: The swap file.
    type: path
    required: true
  needed_bytes:
    description: Memory that the lab's hosts and ranks need together, in bytes.
    type: int
    default: 0
  reserve_bytes:
    description: Memory that the machine keeps for everything else, in bytes.
    type: int
    default: 1073741824
  state:
    description: Whether the file is there if needed, or gone.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Swap for 32 ranks
  moefleet.serving.lab_swap:
    path: /var/lib/moefleet/labs/lab/swapfile
    needed_bytes: 36507222016
"""

RETURN = r"""
size_bytes:
  description: Size of the swap file, 0 when there is none.
  returned: always
  type: int
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.lab import swap
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError


def main() -> None:
    """Compare the swap file that is there with the one that is needed."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "needed_bytes": {"type": "int", "default": 0},
            "reserve_bytes": {"type": "int", "default": swap.GIB},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    before = swap.active_bytes(path)
    wanted = 0
    if module.params["state"] == "present":
        memory = swap.meminfo(Path("/proc/meminfo").read_text(encoding="utf-8"))
        wanted = swap.swap_needed(memory, module.params["needed_bytes"], module.params["reserve_bytes"])
        # A larger file than needed stays: shrinking it means reading everything back in. One that isn't switched on
        # counts for nothing.
        changed = before + (1 << 20) < wanted
    else:
        changed = before > 0 or path.exists()
    try:
        if changed and not module.check_mode:
            swap.remove(path)
            if wanted:
                swap.make(path, wanted)
    except LabError as error:
        module.fail_json(msg=str(error))
    after = wanted if changed else before
    module.exit_json(
        changed=changed,
        size_bytes=after,
        diff={"before": f"swap file {before} bytes\n", "after": f"swap file {after} bytes\n"},
    )


if __name__ == "__main__":
    main()
