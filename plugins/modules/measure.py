#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run measuring commands on a host, several times each, and read what they print."""

from __future__ import annotations

DOCUMENTATION = r"""
module: measure
short_description: Run measuring commands several times and read their output
version_added: 0.1.0
description:
  - Runs each step's command as often as asked, one step after the other, and reads every run with the parser that
    M(moefleet.serving.evidence) has for the tool. It judges nothing by an exit status.
  - Both ends of a pair run this module at the same time, on as many forks as there are hosts. They meet at a port of
    the server's host. The server's command runs, again and again, from its client's coming until its going, and is read
    by nobody.
  - It never fails because of what was measured. A command that can't be run, or didn't end in time, is unknown, with
    the reason. Every process that it started has ended when it returns.
  - In check mode it runs nothing and says what it would.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full, details: It changes nothing.}
  idempotent: {support: full}
options:
  steps:
    description: The commands, as P(moefleet.serving.fabric_schedule#filter) makes them.
    type: list
    elements: dict
    required: true
    suboptions:
      argv:
        description: >-
          The command. The word C({program}) stands for the file that holds O(steps[].program). Needed unless
          O(steps[].missing) says why there is none.
        type: list
        elements: str
        default: []
      role:
        description: V(client) and V(server) are the two ends of a pair; V(alone) needs nobody.
        type: str
        choices: [alone, client, server]
        default: alone
      reads:
        description: >-
          The figures in the output, each with C(check) (its id in the catalogue), C(tool) (the parser) and C(context)
          (what the parser's judgement needs).
        type: list
        elements: dict
        default: []
      host:
        description: The host that the figures belong to. Empty for those of a whole group.
        type: str
        default: ""
      peer:
        description: The other end of a pair.
        type: str
        default: ""
      repeats:
        description: How many runs count.
        type: int
        default: 1
      warmup:
        description: How many runs come before them and don't count.
        type: int
        default: 0
      timeout_s:
        description: Longest time in seconds of one run, and of a server of all its runs.
        type: float
        default: 60
      wait_s:
        description: How long in seconds one end of a pair waits for the other.
        type: float
        default: 60
      meet:
        description: >-
          Address and port of the server's host at which the two ends meet. The server is there from the client's coming
          until its going.
        type: str
        default: ""
      environment:
        description: Environment variables of the command, beside E(PATH) and the C locale.
        type: dict
        default: {}
      program:
        description: The text of a program that is there only while it runs.
        type: str
        default: ""
      conditions:
        description: What is known of the place, recorded with the result.
        type: dict
        default: {}
      missing:
        description: Why the command can't be run although it should be. Its figures are unknown then.
        type: str
        default: ""
"""

EXAMPLES = r"""
- name: Round trip to the head
  moefleet.serving.measure:
    steps:
      - argv: [ping, -n, -q, -c, "20", -i, "0.01", 192.168.1.10]
        repeats: 3
        host: node-1
        peer: node-0
        reads:
          - {check: ip_round_trip, tool: ping}
          - {check: ip_loss, tool: ping, context: {maximum_loss_percent: 0}}
  register: round_trip
"""

RETURN = r"""
measurements:
  description: One entry for each figure of each step. Empty in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: The figure's id in the catalogue.
      type: str
    host:
      description: The host it belongs to.
      type: str
    peer:
      description: The other end of a pair.
      type: str
    runs:
      description: >-
        The runs that count, each with C(evidence) (C(tool), C(values), C(verdict), C(reasons)) and C(output), the last
        4000 characters.
      type: list
      elements: dict
    argv:
      description: The command, which measures it again.
      type: list
      elements: str
    conditions:
      description: Load averages before it, kernel, processors, time, and what the step said of its place.
      type: dict
    not_applicable:
      description: Empty.
      type: str
    asked:
      description: How many runs were asked for; fewer come back where one could not be run at all.
      type: int
would_run:
  description: The commands that would run.
  returned: in check mode
  type: list
  elements: str
"""

import shlex
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric import running
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.steps import ROLES, Step, StepError

STEP_SPEC: dict[str, dict[str, Any]] = {
    "argv": {"type": "list", "elements": "str", "default": []},
    "role": {"type": "str", "choices": sorted(ROLES), "default": "alone"},
    "reads": {"type": "list", "elements": "dict", "default": []},
    "host": {"type": "str", "default": ""},
    "peer": {"type": "str", "default": ""},
    "repeats": {"type": "int", "default": 1},
    "warmup": {"type": "int", "default": 0},
    "timeout_s": {"type": "float", "default": 60},
    "wait_s": {"type": "float", "default": 60},
    "meet": {"type": "str", "default": ""},
    "environment": {"type": "dict", "default": {}},
    "program": {"type": "str", "default": ""},
    "conditions": {"type": "dict", "default": {}},
    "missing": {"type": "str", "default": ""},
}


def measure(module: AnsibleModule) -> dict[str, Any]:
    """Run the steps, or say what would run."""
    try:
        steps = [Step.from_dict(entry) for entry in module.params["steps"]]
    except StepError as error:
        module.fail_json(msg=str(error))
        raise
    if module.check_mode:
        return {"measurements": [], "would_run": [shlex.join(step.argv) for step in steps if step.argv]}
    place = running.Place()
    try:
        return {"measurements": [entry for step in steps for entry in running.measure(step, place)]}
    except KeyError as error:
        module.fail_json(msg=f"there is no parser {error} of evidence")
        raise


def main() -> None:
    """Measure and return what came out."""
    module = AnsibleModule(
        argument_spec={"steps": {"type": "list", "elements": "dict", "required": True, "options": STEP_SPEC}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **measure(module))


if __name__ == "__main__":
    main()
