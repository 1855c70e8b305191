#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: words of the kernel's command line."""

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_parameters
short_description: Words of the kernel's command line, for the next boot
version_added: 0.1.0
description:
  - Adds words to the command lines of every kernel of this system, through a file of its own that C(update-grub) reads
    (Debian, Ubuntu) or through C(grubby) (RHEL), and removes those that it added earlier.
  - Compares what the boot loader will really use, not only the file, and reads it back after a change.
  - Tells whether the running kernel was started without a wanted word, so that a reboot is needed. It never reboots.
  - A container, or a guest whose kernel comes from outside, has no command line of its own. Nothing is changed there,
    and RV(why) says so.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  parameters:
    description: The words, C(NAME) or C(NAME=VALUE). An empty list removes what this module added.
    type: list
    elements: str
    required: true
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: DMA without translation
  moefleet.serving.boot_parameters:
    parameters: [intel_iommu=on, iommu=pt]
"""

RETURN = r"""
loader:
  description: C(grub), C(grubby), or C(none) where the command line is not this host's.
  returned: success
  type: str
why:
  description: Why there is no loader, else empty.
  returned: success
  type: str
missing:
  description: Wanted words that the running kernel was started without.
  returned: success
  type: list
  elements: str
reboot_required:
  description: Whether a reboot brings a wanted word that the running kernel lacks.
  returned: success
  type: bool
reboot_reasons:
  description: Why, in words.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import boot_parameters as boot
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands


def shown(state: boot.State, content: str, words: boot.Entry, lacking: boot.Entry) -> str:
    """The state for a diff: our file, and what the next boot has of the words."""
    present = [word for word in dict.fromkeys([*state.added, *words]) if word not in lacking]
    return f"{content}next boot: {' '.join(present)}\n"


def main() -> None:
    """Compare, write on difference, read back."""
    module = AnsibleModule(
        argument_spec={
            "parameters": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    try:
        words = boot.checked(module.params["parameters"])
        state = boot.read(root, commands.run)
        changed = boot.differs(state, root, words)
        diff: dict[str, str] = {}
        if changed:
            before, after = boot.own_file(state, root, words)
            gone = tuple(word for word in state.added if word not in words)
            diff = {
                "before": shown(state, before, words, boot.next_boot_lacks(state, (*state.added, *words))),
                "after": shown(state, after, words, gone),
                "before_header": "kernel command line",
                "after_header": "kernel command line",
            }
            if not module.check_mode:
                boot.write(state, root, words, commands.run)
    except (ValueError, OSError, KeyError, boot.BootError) as error:
        module.fail_json(msg=str(error))
    reasons = boot.reboot_reasons(state, words)
    module.exit_json(
        changed=changed,
        diff=diff,
        loader=state.loader,
        why=state.why,
        missing=list(boot.lacking(state.running, words)),
        reboot_required=bool(reasons),
        reboot_reasons=reasons,
    )


if __name__ == "__main__":
    main()
