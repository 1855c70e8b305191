#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a bundle's files on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_files
short_description: Bring a bundle's files to a host, verified on arrival
version_added: 0.1.0
description:
  - Compares the files on the host with the bundle's list, copies over the connection what is missing or differs, and
    puts it in place only when the SHA-256 of all that came is right.
  - A file that was verified before and has the same size and time of change is not read again, and not copied.
  - Needs no program on the host but Python.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  source:
    description: Directory on the controller that the files' paths are relative to.
    type: path
    required: true
  path:
    description: Directory on the host.
    type: path
    required: true
  files:
    description: The files, C(path), C(size) in bytes and C(sha256) each.
    type: list
    elements: dict
    required: true
  full:
    description: Read every byte of what is there.
    type: bool
    default: false
  exclusive:
    description: Remove other files below O(path).
    type: bool
    default: true
  state:
    description: C(compared) changes nothing. The others are steps, for the action's own use.
    type: str
    choices: [present, compared, prepared, accepted]
    default: present
  came:
    description: Names under which files came, by path; the action's own.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Packages of the bundle
  moefleet.serving.bundle_files:
    source: /srv/bundle
    path: /var/lib/moefleet/bundle
    files:
      - {path: packages/debian12/Packages, size: 1200, sha256: "{{ digest }}"}
"""

RETURN = r"""
differs:
  description: Why files had to come, by path.
  returned: success
  type: dict
strays:
  description: Other files, which are removed where O(exclusive) says so.
  returned: success
  type: list
  elements: str
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import arrival
from ansible_collections.moefleet.serving.plugins.module_utils.bundle.document import BundleError


def act(directory: Path, wanted: dict[str, arrival.Wanted], params: dict[str, Any]) -> dict[str, Any]:
    """One step."""
    if params["state"] == "accepted":
        arrival.accept(directory, wanted, params["came"])
    differs = arrival.missing(directory, wanted, params["full"] and params["state"] != "accepted")
    strays = arrival.strays(directory, wanted) if params["exclusive"] and directory.is_dir() else []
    result: dict[str, Any] = {"changed": False, "differs": differs, "strays": strays}
    if params["state"] == "prepared":
        # Files come as who connects, and are root's once they are in place.
        owner = int(os.environ.get("SUDO_UID", os.geteuid()))
        result["incoming"] = str(arrival.prepare(directory, sum(wanted[path].size for path in differs), owner))
    if params["state"] == "accepted":
        for path in strays if not differs else []:
            (directory / path).unlink()
        arrival.remember(directory, {path: file for path, file in wanted.items() if path not in differs})
    return result


def main() -> None:
    """Do one step."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "required": True},
            "full": {"type": "bool", "default": False},
            "exclusive": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": ["present", "compared", "prepared", "accepted"], "default": "present"},
            "came": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)  # services read it
    rows = module.params["files"]
    wanted = {str(row["path"]): arrival.Wanted(str(row["path"]), int(row["size"]), str(row["sha256"])) for row in rows}
    try:
        result = act(Path(module.params["path"]), wanted, module.params)
    except (BundleError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
