#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run ``vllm bench serve`` of the installed engine against a service and read its result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bench_serve
short_description: Run one vllm bench serve against a service
version_added: 0.1.0
description:
  - Runs the installed engine's own C(vllm bench serve) with random prompts and reads the JSON that it saves.
  - The run has a directory of its own that is removed afterwards, and a time limit after which all its processes are
    ended.
  - The module does not judge by the exit status, which is 0 even when every request failed. RV(bench.evidence) says
    what it holds; a benchmark that could not be run at all is unknown, with the reason.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
options:
  executable:
    description: The engine's C(vllm) command.
    type: path
    required: true
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
  tokenizer:
    description: Where the tokenizer lies, usually the model's directory.
    type: str
    required: true
  num_prompts:
    description: How many requests are made.
    type: int
    default: 16
  input_tokens:
    description: Tokens in each prompt.
    type: int
    default: 32
  output_tokens:
    description: Tokens asked for in each request.
    type: int
    default: 8
  concurrency:
    description: How many requests run at a time.
    type: int
    default: 8
  percentiles:
    description: Percentiles of the latencies that are computed.
    type: list
    elements: str
    default: ["50", "95", "99"]
  seed:
    description: Seed of the random prompts.
    type: int
    default: 0
  timeout_s:
    description: Longest time in seconds for the whole run.
    type: float
    default: 600
  user:
    description: User that the benchmark runs as. The module's own user when not set.
    type: str
  environment:
    description: Environment variables of the run.
    type: dict
    default: {}
  arguments:
    description: More arguments, appended to the command line.
    type: list
    elements: str
    default: []
  api_key:
    description: Key that the service asks for, if it does.
    type: str
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
"""

EXAMPLES = r"""
- name: Load the service
  moefleet.serving.bench_serve:
    executable: /opt/moefleet/vllm/bin/vllm
    host: 192.168.1.10
    model: deepseek-v3
    tokenizer: /srv/models/deepseek-v3
    num_prompts: 1000
  register: load
"""

RETURN = r"""
bench:
  description: The run and its result.
  returned: always
  type: dict
  contains:
    argv:
      description: The command line that ran.
      type: list
      elements: str
    rc:
      description: Its exit status, for the record; C(null) when it could not be run.
      type: int
    timed_out:
      description: Whether it was ended because its time was over.
      type: bool
    seconds:
      description: How long it took.
      type: float
    evidence:
      description: The parsed result with C(tool), C(values), C(verdict) and C(reasons).
      type: dict
    output_tail:
      description: The end of what it printed.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.verification import bench_runner

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "executable": {"type": "path", "required": True},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 8000},
    "model": {"type": "str", "required": True},
    "tokenizer": {"type": "str", "required": True, "no_log": False},
    "num_prompts": {"type": "int", "default": 16},
    "input_tokens": {"type": "int", "default": 32, "no_log": False},
    "output_tokens": {"type": "int", "default": 8, "no_log": False},
    "concurrency": {"type": "int", "default": 8},
    "percentiles": {"type": "list", "elements": "str", "default": ["50", "95", "99"]},
    "seed": {"type": "int", "default": 0},
    "timeout_s": {"type": "float", "default": 600},
    "user": {"type": "str"},
    "environment": {"type": "dict", "default": {}},
    "arguments": {"type": "list", "elements": "str", "default": []},
    "api_key": {"type": "str", "no_log": True},
}


def request_of(options: dict[str, Any]) -> bench_runner.BenchRequest:
    """Turn the module's options into the request."""
    names = (
        "executable",
        "host",
        "port",
        "model",
        "tokenizer",
        "num_prompts",
        "input_tokens",
        "output_tokens",
        "concurrency",
        "seed",
        "timeout_s",
    )
    return bench_runner.BenchRequest(
        percentiles=tuple(options["percentiles"]),
        user=options["user"] or "",
        api_key=options["api_key"] or "",
        environment={str(name): str(value) for name, value in options["environment"].items()},
        extra_arguments=tuple(options["arguments"]),
        **{name: options[name] for name in names},
    )


def main() -> None:
    """Run the benchmark and return what it measured."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.exit_json(changed=False, bench=bench_runner.run(request_of(module.params)))


if __name__ == "__main__":
    main()
