#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action moefleet.serving.lab_lock, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_lock
short_description: Let one run at a time change a lab
version_added: 0.1.0
description:
  - Takes the lab for the whole of this C(ansible-playbook) run. A second run that wants it is refused, with who holds
    it.
  - The lock ends with the process that holds it, however it ends.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  state_dir:
    description: Directory of the lab on this machine.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Nobody else changes this lab
  moefleet.serving.lab_lock:
    state_dir: /var/lib/moefleet/labs/lab
"""

RETURN = r"""
owner:
  description: Process that holds the lock now.
  returned: success
  type: int
"""
