# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a service is that a module asks, in one place."""

from __future__ import annotations


class ModuleDocFragment:
    """Options shared by the modules that ask a running service."""

    DOCUMENTATION = r"""
options:
  host:
    description: Address at which the service's API listens.
    type: str
    required: true
  port:
    description: Port of the API.
    type: int
    default: 8000
  model:
    description: The served model name.
    type: str
    required: true
  api_key:
    description: Key that the service asks for, if it does.
    type: str
  instances:
    description:
      - Where a balancer listens at O(host), the instances behind it as the plan has them, each with an API of its own.
        Engines are numbered over all of them.
    type: list
    elements: dict
    default: []
    suboptions:
      head:
        description: The host of its API.
        type: str
        required: true
      hosts:
        description: All its hosts.
        type: list
        elements: str
        default: []
      address:
        description: Address of its API.
        type: str
        required: true
      port:
        description: Port of its API.
        type: int
        required: true
      engines:
        description: How many engines (data parallel ranks) it has.
        type: int
        required: true
      first_rank:
        description: The number of its first engine.
        type: int
        required: true
"""
