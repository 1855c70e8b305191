#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether a checkpoint on a host is the plan's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: weights_checkpoint
short_description: Refuse a checkpoint on a host that is not the plan's model
version_added: 0.1.0
description:
  - Compares the files of a directory with what the plan says of its model, by C(config.json), the index of shards and
    the files' sizes. No weights are read.
  - Checkpoints that M(moefleet.serving.weights_fetch) brings are compared by M(moefleet.serving.weights_manifest),
    before they come.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode:
    support: full
    details: Where the files are still to come there is nothing to compare, which is no failure.
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  path:
    description: The directory, or the link to it.
    type: path
    required: true
  expected:
    description: What the plan says of the checkpoint, C(architecture), C(model_types), C(quantisation) (C(none),
      C(quantised) for any method, or the method) and C(bytes). What is left out is not compared.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: It is the plan's model
  moefleet.serving.weights_checkpoint:
    path: /var/lib/moefleet/models/deepseek-v3
    expected: {model_types: [deepseek_v3], quantisation: quantised, bytes: 688574839360}
"""

RETURN = r"""
compared:
  description: Whether there was a checkpoint to compare.
  returned: success
  type: bool
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.weights.checkpoint import CONFIG, Expected, look_at
from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError


def main() -> None:
    """Compare, and refuse."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "expected": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["path"])
    if module.check_mode and not (directory / CONFIG).exists():
        module.exit_json(changed=False, compared=False)
    try:
        found = look_at(directory, Expected.read(module.params["expected"]))
    except (TypeError, ValueError) as error:
        module.fail_json(msg=f"expected: {error}")
    except (WeightsError, OSError) as error:
        module.fail_json(msg=str(error))
    if found:
        module.fail_json(
            msg=f"[other-checkpoint] {directory} is not the plan's model: {'; '.join(found)}."
            " Put the planned one there (model_weights_path), or change the plan (plan_model, plan_precision)."
        )
    module.exit_json(changed=False, compared=True)


if __name__ == "__main__":
    main()
