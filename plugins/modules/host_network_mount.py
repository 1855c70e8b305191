#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the storage mount, by a systemd unit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_network_mount
short_description: Mount storage now and at every boot, by a systemd unit
version_added: 0.1.0
description:
  - Writes a mount unit, enables it, and starts it where the kernel doesn't have the file system mounted.
  - A path that C(/etc/fstab) mounts too, or on which something else is mounted, is refused.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  source:
    description: What is mounted, such as V(172.16.1.1:/models). Required unless O(state=absent).
    type: str
  path:
    description: Where.
    type: path
    required: true
  fstype:
    description: Type of the file system. Required unless O(state=absent).
    type: str
  options:
    description: Options as in C(/etc/fstab).
    type: str
    default: defaults
  state:
    description: With V(absent) it is unmounted and the unit removed.
    type: str
    choices: [present, absent]
    default: present
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Models on shared storage
  moefleet.serving.host_network_mount:
    source: 172.16.1.1:/models
    path: /srv/models
    fstype: nfs4
    options: ro,noatime,nconnect=8
"""

RETURN = r"""
unit:
  description: Name of the unit.
  returned: success
  type: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import mount
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.paths import under
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import files
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result, run

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "source": {"type": "str"},
    "path": {"type": "path", "required": True},
    "fstype": {"type": "str"},
    "options": {"type": "str", "default": "defaults"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "root": {"type": "path", "default": "/"},
}


class MountError(Exception):
    """The mount can't be what is wanted."""


def must(*words: str) -> Result:
    """Ask systemd for something that has to succeed."""
    done = run(list(words))
    if done.status != 0:
        raise MountError(f"`{' '.join(words)}` failed: {done.last_words}")
    return done


def remove(path: str, root: Path, check: bool) -> dict[str, Any]:
    """No unit, and nothing mounted by it."""
    unit = mount.unit_name(path)
    file = under(root, f"{mount.DIRECTORY}/{unit}")
    seen = files.see(str(file))
    if seen.content is None:
        return {"changed": False, "unit": unit}
    if not check:
        must("systemctl", "disable", "--now", unit)
        file.unlink()
        must("systemctl", "daemon-reload")
    headers = {"before_header": str(file), "after_header": str(file)}
    return {"changed": True, "unit": unit, "diff": {"before": seen.content, "after": "", **headers}}


def ensure(wanted: mount.Mount, root: Path, check: bool) -> dict[str, Any]:
    """The unit is written and enabled, and the file system mounted."""
    if mount.in_fstab(wanted.path, root):
        raise MountError(f"/etc/fstab mounts {wanted.path} too: take that line out, or leave the mount to it")
    unit = mount.unit_name(wanted.path)
    file = str(under(root, f"{mount.DIRECTORY}/{unit}"))
    seen, content = files.see(file), mount.unit_text(wanted)
    now = mount.mounted(wanted.path, root)
    mounts = not mount.as_wanted(wanted, now)
    if now is not None and mounts and seen.content is None:
        raise MountError(
            f"{now.source} ({now.fstype}) is mounted on {wanted.path}, not {wanted.source}: unmount it first"
        )
    writes = seen.content != content
    enables = run(["systemctl", "is-enabled", unit]).stdout.strip() != "enabled"
    if not check:
        if writes:
            files.write(files.Wanted(file, content, "0644", seen.owner or "root", seen.group or "root"))
            must("systemctl", "daemon-reload")
        if enables:
            must("systemctl", "enable", unit)
        if mounts or (writes and seen.content is not None):
            must("systemctl", "restart", unit)
            if not mount.as_wanted(wanted, mount.mounted(wanted.path, root)):
                raise MountError(f"{unit} was started, and {wanted.source} is not mounted on {wanted.path}")
    mounted = f"{now.source} {now.fstype}" if now else "nothing"
    before = (seen.content or "") + ("" if not mounts else f"# mounted: {mounted}\n")
    after = content + ("" if not mounts else f"# mounted: {wanted.source} {wanted.fstype}\n")
    headers = {"before_header": file, "after_header": file}
    return {
        "changed": writes or enables or mounts,
        "unit": unit,
        "diff": {"before": before, "after": after, **headers} if writes or mounts else {},
    }


def main() -> None:
    """Compare, write and mount."""
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ("source", "fstype"))],
        supports_check_mode=True,
    )
    options, root = module.params, Path(module.params["root"])
    wanted = mount.Mount(options["source"] or "-", options["path"], options["fstype"] or "-", options["options"])
    problems = mount.problems(wanted)
    if problems:
        module.fail_json(msg=f"storage mount: {'; '.join(problems)}")
    try:
        if options["state"] == "absent":
            result = remove(wanted.path, root, module.check_mode)
        else:
            result = ensure(wanted, root, module.check_mode)
    except (MountError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
