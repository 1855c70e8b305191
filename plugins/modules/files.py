#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: several small files at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write several small configuration files in one call
version_added: 0.1.0
description:
  - Compares each file's content, owner and mode and writes, atomically, only those that differ. Missing directories are
    made.
  - One call for a role's whole set of files costs what a single M(ansible.builtin.copy) does.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The whole content.
        type: str
        required: true
      mode:
        description: Permission bits, as octal digits.
        type: str
        default: "0644"
      owner:
        description: Owner's name.
        type: str
        default: root
      group:
        description: Group's name.
        type: str
        default: root
"""

EXAMPLES = r"""
- name: Two files
  moefleet.serving.files:
    files:
      - {path: /etc/moefleet/nccl.env, content: "NCCL_DEBUG=WARN\n"}
      - {path: /etc/moefleet/vllm.env, content: "OMP_NUM_THREADS=1\n", mode: "0640", group: moefleet}
"""

RETURN = r"""
written:
  description: Paths that were written, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import files


def main() -> None:
    """Compare all, write those that differ."""
    options = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "required": True, "no_log": False},
        "mode": {"type": "str", "default": "0644"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": options}},
        supports_check_mode=True,
    )
    wanted = [files.Wanted(**{name: str(entry[name]) for name in options}) for entry in module.params["files"]]
    seen = {entry.path: files.see(entry.path) for entry in wanted}
    try:
        differing = [entry for entry in wanted if files.differs(entry, seen[entry.path])]
    except ValueError as error:
        module.fail_json(msg=str(error))
    try:
        for entry in [] if module.check_mode else differing:
            files.write(entry)
    except (OSError, KeyError, ValueError) as error:
        module.fail_json(msg=f"could not write {entry.path}: {error}; is its owner {entry.owner}:{entry.group} there?")
    diff = [
        {
            "before": files.headed(entry.path, asdict(seen[entry.path])),
            "after": files.headed(entry.path, asdict(entry)),
            "before_header": entry.path,
            "after_header": entry.path,
        }
        for entry in differing
    ]
    module.exit_json(changed=bool(differing), written=[entry.path for entry in differing], diff=diff)


if __name__ == "__main__":
    main()
