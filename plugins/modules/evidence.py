#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a tool's output says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence
short_description: Read and judge what a tool printed
version_added: 0.1.0
description:
  - Reads the output of one tool and returns its values, a verdict and the reasons for it. It runs nothing and changes
    nothing.
  - A tool that reported a failure, or a state that must be refused, is C(fail). An output that is absent, empty, cut
    off or can't be read is C(unknown), never C(pass). Colours, line ends, tags of mpirun and lines before or after the
    output change nothing.
  - What each tool's values are, what its judgement takes from O(context) and what makes it fail is a table in
    C(docs/evidence.md).
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full, details: It changes nothing.}
  idempotent: {support: full}
options:
  tool:
    description: The tool whose output it is.
    type: str
    required: true
    choices:
      - apt_candidates
      - apt_history
      - collective
      - dcb
      - dkms_status
      - dnf_modules
      - driver_packages
      - environment_file
      - eplb_log
      - etc_hosts
      - ethtool_pause
      - ethtool_statistics
      - fabric_manager_log
      - gids
      - gloo_log
      - hca_match
      - ib_bandwidth
      - ib_latency
      - ib_port
      - interface_match
      - iperf3
      - kernel_command_line
      - kernel_log
      - lldp
      - mlnx_qos
      - module_info
      - nccl_debug
      - nccl_tests
      - nvidia_mig
      - nvidia_smi
      - nvidia_topology
      - ofed_info
      - p2p_bandwidth
      - pci_acs
      - ping
      - secure_boot
      - service_limits
      - traffic_class
      - vllm_bench_serve
      - vllm_help
      - vllm_log
  text:
    description: The output (one that is a structure already is read as its JSON). One of O(text) and O(path).
    type: raw
  path:
    description: A file that holds the output. One of O(text) and O(path).
    type: path
  context:
    description: What the judgement needs, as the kernel that runs or the number of GPUs that must be there.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Is every GPU of the fabric ready?
  moefleet.serving.evidence:
    tool: nvidia_smi
    text: "{{ probe.stdout }}"
    context: {expected_gpus: 8}
  register: gpus
  failed_when: gpus.evidence.verdict != 'pass'

- name: A file, and what runs
  moefleet.serving.evidence:
    tool: dkms_status
    path: /tmp/dkms.txt
    context:
      kernel: "{{ ansible_facts['kernel'] }}"
"""

RETURN = r"""
evidence:
  description: What the output says.
  returned: always
  type: dict
  contains:
    tool:
      description: The tool.
      type: str
      returned: always
    values:
      description: The values by name. What the output doesn't hold is null.
      type: dict
      returned: always
    verdict:
      description: C(pass), C(warn), C(fail) or C(unknown).
      type: str
      returned: always
    reasons:
      description: Why, the worst first. Each failure says what to do.
      type: list
      elements: str
      returned: always
"""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry


def main() -> None:
    """Read the text or the file, judge, return."""
    module = AnsibleModule(
        argument_spec={
            "tool": {"type": "str", "required": True, "choices": sorted(registry.TOOLS)},
            "text": {"type": "raw"},
            "path": {"type": "path"},
            "context": {"type": "dict", "default": {}},
        },
        mutually_exclusive=[("text", "path")],
        required_one_of=[("text", "path")],
        supports_check_mode=True,
    )
    text = module.params["text"]
    if text is not None and not isinstance(text, str):
        # Ansible may have made a structure of a text that looks like one.
        text = json.dumps(text)
    if text is None:
        try:
            text = Path(module.params["path"]).read_bytes().decode("utf-8", "replace")
        except OSError as error:
            module.fail_json(msg=f"can't read {module.params['path']}: {error.strerror or error}")
    evidence = registry.parse(module.params["tool"], text, module.params["context"])
    module.exit_json(changed=False, evidence=evidence.to_dict())


if __name__ == "__main__":
    main()
