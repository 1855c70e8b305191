#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: initial RAM file systems that hold what is configured."""

from __future__ import annotations

DOCUMENTATION = r"""
module: initramfs
short_description: Make initial RAM file systems anew that are older than their configuration
version_added: 0.1.0
description:
  - Compares the age of each kernel's image with that of configuration files, and makes those anew that are older, with
    C(update-initramfs) or C(dracut). A module that is blacklisted only on the root file system is still loaded from an
    image that is older.
  - Read from the host, not remembered, so a run that was cut off is finished by the next.
  - A kernel without an image, as in a container, is left out.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  kernels:
    description: Releases of the kernels, as C(uname -r) has them.
    type: list
    elements: str
    required: true
  files:
    description: Configuration files that the images hold.
    type: list
    elements: path
    required: true
  written:
    description: Those that this play has written or removed, or would in check mode.
    type: list
    elements: path
    default: []
  root:
    description: Prefix of every path, for images and tests. Commands are the host's.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: The blacklist is in the image
  moefleet.serving.initramfs:
    kernels: [6.1.0-28-amd64]
    files: [/etc/modprobe.d/moefleet-nouveau.conf]
"""

RETURN = r"""
rebuilt:
  description: Paths of the images that were made anew, or would be.
  returned: success
  type: list
  elements: str
images:
  description: Paths of the images that there are.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run
from ansible_collections.moefleet.serving.plugins.module_utils.nvidia import initramfs


def main() -> None:
    """Compare, and make anew."""
    module = AnsibleModule(
        argument_spec={
            "kernels": {"type": "list", "elements": "str", "required": True},
            "files": {"type": "list", "elements": "path", "required": True},
            "written": {"type": "list", "elements": "path", "default": []},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    images = initramfs.look(Path(params["root"]), params["kernels"], params["files"], params["written"])
    stale = [image for image in images if image.reasons]
    try:
        for image in [] if module.check_mode else stale:
            initramfs.rebuild(image, run)
    except initramfs.InitramfsError as error:
        module.fail_json(msg=str(error))
    after = "".join(f"{image.path} made anew, for {', '.join(image.reasons)}\n" for image in stale)
    diff = {"before": "", "after": after, "before_header": "", "after_header": "initramfs"} if stale else {}
    module.exit_json(
        changed=bool(stale),
        rebuilt=[str(image.path) for image in stale],
        images=[str(image.path) for image in images],
        diff=diff,
    )


if __name__ == "__main__":
    main()
