#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a bundle has, and whether it fits."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_contents
short_description: Read a bundle, and refuse one that is not whole or doesn't fit
version_added: 0.1.0
description:
  - Reads C(BUNDLE.json) and C(SHA256SUMS) and compares names and sizes with what is there.
  - Refuses with all reasons at once when a file is missing or of another size, when hosts have another distribution or
    engine or need other packages, and when one of O(read) has other content.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  path:
    description: The bundle's directory.
    type: path
    required: true
  hosts:
    description:
      - By host, C(system), C(architecture), C(packages), C(engine) with C(lock), C(python) and C(sha256), and
        C(revision) of the weights.
    type: dict
    default: {}
  read:
    description: Files whose every byte is read, by their path in the bundle.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What the bundle has
  moefleet.serving.bundle_contents:
    path: /srv/bundle
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
document:
  description: What BUNDLE.json says.
  returned: success
  type: dict
files:
  description: Every file with C(path), C(size) and C(sha256).
  returned: success
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import document as documents


def main() -> None:
    """Read, compare, judge."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "hosts": {"type": "dict", "default": {}},
            "read": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["path"])
    try:
        document, digests = documents.read(directory)
        problems = documents.judge(document, module.params["hosts"])
        problems += documents.absences(directory, document, digests)
        problems += [] if problems else documents.flipped(directory, digests, module.params["read"])
    except documents.BundleError as error:
        problems = [str(error)]
    except (KeyError, TypeError, AttributeError) as error:
        problems = [f"{directory}/BUNDLE.json is no good ({error!r}): copy the bundle again"]
    if problems:
        words = "; ".join(problems)
        module.fail_json(msg=f"The bundle can't be used, and nothing was changed: {words}", problems=problems)
    files = [{"path": path, "size": size, "sha256": digests[path]} for path, size in document["files"].items()]
    module.exit_json(changed=False, document=document, files=files)


if __name__ == "__main__":
    main()
