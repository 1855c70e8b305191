#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action moefleet.serving.launch_group, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: launch_group
short_description: Start the ranks of a group together and wait until the service answers
version_added: 0.1.0
description:
  - A group of ranks is one failure domain, so its units start, stop and restart together. Run this task on all its
    hosts at once; a play that leaves one of them out is refused.
  - Nothing is touched when every unit runs with its current configuration and the service answers. Otherwise all units
    are stopped, then started.
  - While it waits it prints how far each host has come. It ends early, stops the group, and names host, unit and last
    log lines when a unit dies. What fails before any unit was stopped or started leaves all units as they are.
  - It is done when a real completion came back and every expected engine is in the metrics.
  - Needs as many forks as hosts, since the hosts wait for each other.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  unit:
    description: The systemd unit on every host.
    type: str
    required: true
  hosts:
    description: All hosts of the group, the head first.
    type: list
    elements: str
    required: true
  local_ranks:
    description: Ranks on this host.
    type: int
    required: true
  digest:
    description: Digest of this host's configuration, which a running unit carries in its environment as
      E(MOEFLEET_DIGEST).
    type: str
    required: true
  inputs:
    description: Files that a running unit was started from, such as the engine's lock. One that is newer than the unit
      means a restart.
    type: list
    elements: path
    default: []
  service:
    description: What M(moefleet.serving.service_probe) needs to ask the head, C(host), C(port), C(model) and
      C(engines).
    type: dict
    required: true
  start_interval_s:
    description:
      - 0 starts all hosts at once, as on real hosts. More starts the head first, waits for its coordinator, then starts
        a follower every so many seconds, for machines whose few cores all ranks share.
    type: float
    default: 0
  poll_s:
    description: Seconds between looks at a host.
    type: float
    default: 3
  progress_s:
    description: Seconds between lines of progress.
    type: float
    default: 10
  timeout_s:
    description: Seconds until the service must answer.
    type: float
    default: 1800
"""

EXAMPLES = r"""
- name: The ranks start together
  moefleet.serving.launch_group:
    unit: moefleet-vllm.service
    hosts: [node-0, node-1]
    local_ranks: 8
    digest: "{{ digest }}"
    service: {host: 192.168.1.10, port: 8000, model: deepseek-v3, engines: 16}
"""

RETURN = r"""
reasons:
  description: Why the group had to be started; empty when nothing was done.
  returned: success
  type: list
  elements: str
seconds:
  description: Seconds from the first start to the first completion.
  returned: when the group was started
  type: float
log:
  description: Last lines of the unit's journal.
  returned: when a unit died
  type: list
  elements: str
"""
