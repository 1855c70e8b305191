#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action moefleet.serving.weights_fetch, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: weights_fetch
short_description: Bring a checkpoint to all hosts of a group, each byte once from the source
version_added: 0.1.0
description:
  - The hosts form a chain. The first brings the files from the source; each other one brings them from the host before
    it, while that one still gets them, over plain HTTP.
  - Hosts that have all come first in the chain. When one of them does, the source is not asked at all.
  - Every host compares every file with the manifest's digest before it takes its place. What was cut goes on at the
    byte where it stopped.
  - Run this task on all hosts at once; it needs as many forks as hosts.
  - While it runs it prints bytes, rate and time left of each host.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  path:
    description: The link to the checkpoint; its revisions lie in the directory of the same name with C(.revisions).
    type: path
    required: true
  manifest:
    description: What M(moefleet.serving.weights_manifest) returns.
    type: dict
    required: true
  source:
    description: The source, as for M(moefleet.serving.weights_manifest).
    type: dict
    required: true
  hosts:
    description: All hosts of the group. The first without the checkpoint asks the source.
    type: list
    elements: str
    required: true
  address:
    description: This host's address on the network over which hosts give to each other.
    type: str
    required: true
  port:
    description: Port on which hosts give to each other while this runs. Only addresses of the group are answered.
    type: int
    required: true
  parallel:
    description: Files at the same time.
    type: int
    default: 4
  cap:
    description: Bytes a second that a host may receive; 0 is no cap.
    type: float
    default: 0
  keep:
    description: How many revisions are kept.
    type: int
    default: 2
  full:
    description: Read every byte of what is there.
    type: bool
    default: false
  progress_s:
    description: Seconds between lines of progress.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: The checkpoint is on every host
  moefleet.serving.weights_fetch:
    path: /var/lib/moefleet/models/deepseek-v3
    manifest: "{{ manifest }}"
    source: {kind: http, url: http://10.0.1.1/deepseek-v3}
    hosts: [node-0, node-1]
    address: "{{ data_address }}"
    port: 18650
"""

RETURN = r"""
differs:
  description: Files that were missing or not as the manifest says, each with why.
  returned: success
  type: dict
came_bytes:
  description: Bytes that this host received.
  returned: success
  type: int
pruned:
  description: Revisions that were removed.
  returned: success
  type: list
  elements: str
"""
