#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One stage of load on a running service, measured by the engine's own benchmark."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_test
short_description: Put one stage of load on a service and measure it
version_added: 0.1.0
description:
  - Runs the installed engine's own C(vllm bench serve) with random prompts, other ones each time, so that no cache of
    an earlier run answers them.
  - The benchmark knows no duration. A stage that has one is made of several runs, sized by the rate of those before,
    and its percentiles are of all their requests.
  - The counters in C(/metrics) are read before and after.
  - Nothing is judged by an exit status, and nothing is stopped. The module does not fail because the service does.
author: moefleet contributors (@moefleet)
extends_documentation_fragment:
  - moefleet.serving.attributes
  - moefleet.serving.service
options:
  stage:
    description:
      - With V(latency), O(num_prompts) requests of one length.
      - With V(sessions), O(concurrency) requests at a time for O(duration_s).
      - With V(soak), O(request_rate) requests a second for O(duration_s).
      - With V(full_context), one request that fills O(max_model_len).
    type: str
    choices: [latency, sessions, soak, full_context]
    required: true
  executable:
    description: The engine's C(vllm) command.
    type: path
    required: true
  tokenizer:
    description: Where the tokenizer lies, usually the model's directory.
    type: str
    required: true
  num_prompts:
    description: How many requests the stage V(latency) makes.
    type: int
    default: 1000
  input_tokens:
    description: Tokens in each prompt.
    type: int
    default: 512
  output_tokens:
    description: Tokens asked for in each request.
    type: int
    default: 16
  concurrency:
    description: How many requests run at a time. V(0) sets no limit.
    type: int
    default: 1
  request_rate:
    description: Requests a second of the stage V(soak).
    type: float
    default: 1
  duration_s:
    description: How long the stages V(sessions) and V(soak) last, in seconds.
    type: float
    default: 900
  max_model_len:
    description: The service's context in tokens. V(0) where it isn't known; then no length is held against it.
    type: int
    default: 0
  objectives:
    description: What a request has to keep to count as good, in milliseconds by C(ttft), C(tpot) and C(e2el).
    type: dict
    default: {}
  timeout_s:
    description: Longest time in seconds for the whole stage.
    type: float
    default: 3600
  user:
    description: User that the benchmark runs as. The module's own user when not set.
    type: str
  environment:
    description: Environment variables of the benchmark.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    details: It changes nothing, and in check mode it doesn't load the service either.
  diff_mode: {support: none}
  idempotent: {support: full}
"""

EXAMPLES = r"""
- name: 200 sessions for a quarter of an hour
  moefleet.serving.load_test:
    stage: sessions
    executable: /opt/moefleet/vllm/bin/vllm
    host: 192.168.1.10
    model: deepseek-v3
    tokenizer: /srv/models/deepseek-v3
    concurrency: 200
    duration_s: 900
    input_tokens: 512
    output_tokens: 256
  register: sessions
"""

RETURN = r"""
measurements:
  description: The figures of the stage, each with its C(check), C(runs), C(argv), C(conditions) and C(not_applicable).
  returned: always
  type: list
  elements: dict
load:
  description: >-
    The last run of the benchmark, with the C(evidence) of the whole stage. C(null) where nothing was run.
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
      description: The stage's result with C(tool), C(values), C(verdict) and C(reasons).
      type: dict
    output_tail:
      description: The end of what it printed.
      type: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.verification import (
    bench_runner,
    entries,
    service_client,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load import figures, stages

FULL_CONTEXT = "full_context"

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **service_client.SERVICE_OPTIONS,
    "stage": {
        "type": "str",
        "choices": [stages.LATENCY, stages.SESSIONS, stages.SOAK, FULL_CONTEXT],
        "required": True,
    },
    "executable": {"type": "path", "required": True},
    "tokenizer": {"type": "str", "required": True, "no_log": False},
    "num_prompts": {"type": "int", "default": 1000},
    "input_tokens": {"type": "int", "default": 512, "no_log": False},
    "output_tokens": {"type": "int", "default": 16, "no_log": False},
    "concurrency": {"type": "int", "default": 1},
    "request_rate": {"type": "float", "default": 1},
    "duration_s": {"type": "float", "default": 900},
    "max_model_len": {"type": "int", "default": 0},
    "objectives": {"type": "dict", "default": {}},
    "timeout_s": {"type": "float", "default": 3600},
    "user": {"type": "str"},
    "environment": {"type": "dict", "default": {}},
}
_METRICS_TIMEOUT_S = 20.0
# Ids that every tokenizer has for ordinary text; the special ones stand before or far behind them.
_FIRST_ID = 20
_IDS = 180


def ids_of(options: dict[str, Any]) -> list[str]:
    """Return the ids that the stage has figures for."""
    return {
        stages.LATENCY: figures.latency_ids(options["input_tokens"]),
        FULL_CONTEXT: [FULL_CONTEXT],
    }.get(options["stage"], [])


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
        "timeout_s",
    )
    soak = options["stage"] == stages.SOAK
    return bench_runner.BenchRequest(
        percentiles=("50", "95", "99"),
        concurrency=0 if soak else options["concurrency"],
        request_rate=options["request_rate"] if soak else 0.0,
        user=options["user"] or "",
        api_key=options["api_key"] or "",
        environment={str(name): str(value) for name, value in options["environment"].items()},
        **{name: options[name] for name in names},
    )


def measure(options: dict[str, Any], bench: stages.Bench = bench_runner.measure) -> dict[str, Any]:
    """Run the stage and return ``measurements`` and ``load``."""
    endpoint = service_client.Endpoint.from_options(options)
    if options["stage"] == FULL_CONTEXT:
        return {"measurements": [_fill_context(endpoint, options)], "load": None}
    misfit = figures.too_long(options["input_tokens"], options["output_tokens"], options["max_model_len"])
    if misfit:
        return {"measurements": [entries.not_applicable(check, misfit) for check in ids_of(options)], "load": None}
    conditions = entries.conditions()
    objectives = {str(name): float(limit) for name, limit in options["objectives"].items()}
    before = service_client.read_metrics(endpoint, _METRICS_TIMEOUT_S)
    load = stages.run_stage(options["stage"], request_of(options), options["duration_s"], objectives, bench=bench)
    after = service_client.read_metrics(endpoint, _METRICS_TIMEOUT_S)
    if options["stage"] == stages.LATENCY:
        found = figures.latency(options["input_tokens"], load, conditions)
    elif options["stage"] == stages.SESSIONS:
        found = figures.sessions(load, before, after, conditions)
    else:
        found = figures.soak(load, conditions)
    return {"measurements": found, "load": {**load.runs[-1], "evidence": load.evidence.to_dict()}}


def _fill_context(endpoint: service_client.Endpoint, options: dict[str, Any]) -> dict[str, Any]:
    output = options["output_tokens"]
    prompt = options["max_model_len"] - output
    if prompt < 1:
        return entries.not_applicable(FULL_CONTEXT, "the service's context is not known (max_model_len)")
    start = int(time.time())
    words = [_FIRST_ID + (start + place * place) % _IDS for place in range(prompt)]
    question = service_client.Question(options["model"], words, output, options["timeout_s"])
    return figures.full_context(service_client.completion(endpoint, question, None), prompt, output)


def main() -> None:
    """Load the service and return what was measured."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    if module.check_mode:
        module.exit_json(changed=False, measurements=[], load=None)
    module.exit_json(changed=False, **measure(module.params))


if __name__ == "__main__":
    main()
