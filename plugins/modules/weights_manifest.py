#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the manifest of a checkpoint."""

from __future__ import annotations

DOCUMENTATION = r"""
module: weights_manifest
short_description: Every file of a checkpoint with its size and digest
version_added: 0.1.0
description:
  - Takes the manifest kept beside the files, else the one that is given, else makes it from what the source says of its
    files (the hub's metadata, C(SHA256SUMS), or a local folder read once).
  - Refuses a revision that moves, placeholders of large-file storage, and a checkpoint whose architecture, quantisation
    or size is not the plan's.
  - Reads only.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  path:
    description: The link to the checkpoint; its revisions lie in the directory of the same name with C(.revisions).
    type: path
    required: true
  revision:
    description: The revision. A commit for C(huggingface); a name of your own for sources that have none.
    type: str
    required: true
  source:
    description: The source, C(kind), C(url), C(repository), and credentials (C(token), C(access_key), C(secret_key),
      C(region)).
    type: dict
    required: true
  manifest:
    description: A manifest made before; empty makes it from the source.
    type: dict
    default: {}
  expected:
    description: What the plan says of the checkpoint, C(architecture), C(model_types), C(quantisation) (C(none),
      C(quantised) for any method, or the method) and C(bytes). What is left out is not compared.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: What has to be on every host
  moefleet.serving.weights_manifest:
    path: /var/lib/moefleet/models/deepseek-v3
    revision: e815299b0bcbac849fa540c768ef21845365c9eb
    source: {kind: huggingface, url: https://hf-mirror.com, repository: deepseek-ai/DeepSeek-V3}
  run_once: true
"""

RETURN = r"""
manifest:
  description: Source, revision, and files with path, size and digest.
  returned: success
  type: dict
code:
  description: Files that C(trust_remote_code) would run, with their SHA-256, or the hub's blob id (SHA-1).
  returned: success
  type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.weights.checkpoint import Expected
from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError
from ansible_collections.moefleet.serving.plugins.module_utils.weights.listing import find_manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import Store


def main() -> None:
    """Find the manifest, and compare it with the plan."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "revision": {"type": "str", "required": True},
            "source": {"type": "dict", "required": True, "no_log": True},
            "manifest": {"type": "dict", "default": {}},
            "expected": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        source = Source(**{**given["source"], "revision": given["revision"]})
        expected = Expected.read(given["expected"])
        manifest = find_manifest(Store(Path(given["path"])), source, given["manifest"], expected)
    except (TypeError, ValueError) as error:
        module.fail_json(msg=f"source or expected: {error}")
    except (WeightsError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        manifest=manifest.as_dict(),
        code={file.path: file.sha256 or file.git_sha1 for file in manifest.code()},
    )


if __name__ == "__main__":
    main()
