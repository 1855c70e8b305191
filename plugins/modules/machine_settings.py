#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: settings of the machine under /sys and /proc/sys."""

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_settings
short_description: Set files under /sys and /proc/sys where the kernel has them
version_added: 0.1.0
description:
  - For settings that belong to the machine and that not every kernel has, such as the governor of each CPU. What the
    kernel lacks is told in RV(left) and is no error; use M(moefleet.serving.kernel_parameters) for what must be there.
  - Sets the running kernel. The role C(host_tuning) brings the settings back at boot with the same source.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  settings:
    description: >-
      Each C(PATH=VALUE), with C(*) in the path for several files. Of a file that shows a list of choices, the one in
      brackets counts.
    type: list
    elements: str
    required: true
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Full speed, and no pages moved between sockets
  moefleet.serving.machine_settings:
    settings:
      - /sys/devices/system/cpu/cpufreq/policy*/scaling_governor=performance
      - /proc/sys/kernel/numa_balancing=0
"""

RETURN = r"""
before:
  description: Values by path, of the files that differed.
  returned: success
  type: dict
left:
  description: Settings that this kernel doesn't have, each with why.
  returned: success
  type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import machine_settings


def main() -> None:
    """Compare and set."""
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    try:
        settings = [machine_settings.read_setting(words) for words in module.params["settings"]]
    except ValueError as error:
        module.fail_json(msg=str(error))
    found, left = machine_settings.look(settings, root)
    differing = [one for one in found if one.differs]
    refused = {} if module.check_mode else machine_settings.apply(differing, root)
    if refused:
        words = "; ".join(f"{path} = {why}" for path, why in refused.items())
        module.fail_json(
            msg=f"settings that can't be made here: {words}. Take a value that the kernel offers, or leave the setting;"
            " huge pages that no longer fit in one piece are there after a reboot."
        )
    diff = {
        "before": "".join(f"{one.path} = {one.value}\n" for one in differing),
        "after": "".join(f"{one.path} = {one.wanted}\n" for one in differing),
        "before_header": "live settings",
        "after_header": "live settings",
    }
    module.exit_json(
        changed=bool(differing),
        before={one.path: one.value for one in differing},
        left=left,
        diff=diff if differing else {},
    )


if __name__ == "__main__":
    main()
