#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether a directory has the wheels of its locks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_wheels
short_description: Which wheels of lock files a directory lacks
version_added: 0.1.0
description:
  - Compares the digests of the files with those of the locks. A distribution is there when one file has one of its
    digests.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  path:
    description: The directory.
    type: path
    required: true
  locks:
    description: The locks' texts by name, without markers.
    type: dict
    required: true
  prune:
    description: Remove files that are in no lock, but the locks themselves.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What has to be downloaded
  moefleet.serving.bundle_wheels:
    path: /srv/bundle/wheels
    locks: {engine.txt: "{{ text }}"}
"""

RETURN = r"""
missing:
  description: By lock, the distributions that no file has.
  returned: success
  type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.weights.metadata import digest_of
from ansible_collections.moefleet.serving.plugins.module_utils.wheels import lock as locks


def main() -> None:
    """Compare."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "locks": {"type": "dict", "required": True},
            "prune": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["path"])
    files = sorted(file for file in directory.glob("*") if file.is_file()) if directory.is_dir() else []
    there = {f"sha256:{digest_of(file)}": file for file in files}
    wanted: set[str] = set()
    missing: dict[str, list[str]] = {}
    try:
        for name, text in module.params["locks"].items():
            lock = locks.read(str(text), str(name))
            wanted.update(found for entry in lock.entries for found in entry.hashes)
            missing[name] = [entry.name for entry in lock.entries if not set(entry.hashes) & set(there)]
    except locks.LockError as error:
        module.fail_json(msg=str(error))
    strays = [file for found, file in there.items() if found not in wanted and file.name not in module.params["locks"]]
    for file in strays if module.params["prune"] and not module.check_mode else []:
        file.unlink()
    module.exit_json(changed=bool(strays) and module.params["prune"], missing=missing)


if __name__ == "__main__":
    main()
