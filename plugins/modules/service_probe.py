#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask a running vLLM service whether it serves: its health, models, engines, and a completion from each engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_probe
short_description: Ask a vLLM service for its health, its engines and a completion from each of them
version_added: 0.1.0
description:
  - Asks C(/health), C(/v1/models) and C(/metrics), then one real completion from every engine in O(ask), addressed by
    the request header C(X-data-parallel-rank).
  - A service whose engine died can still answer C(/health) with 200. Only a completion proves that it works.
  - Each question has a time limit. A hang is a result with a reason, never a hanging task.
  - The module does not fail because the service does; it returns RV(probe.ready).
author: moefleet contributors (@moefleet)
extends_documentation_fragment:
  - moefleet.serving.attributes
  - moefleet.serving.service
options:
  engines:
    description: How many engines (data-parallel ranks) the service must have.
    type: int
    required: true
  ask:
    description: >-
      The engines that are asked for a completion, by number. Every one when not set; with an empty list no completion
      is asked for, and RV(probe.ready) can then not be true.
    type: list
    elements: int
  prompt:
    description: What the completion continues.
    type: str
    default: The quick brown fox
  max_tokens:
    description: How many tokens each completion has.
    type: int
    default: 4
  timeout_s:
    description: Longest time in seconds for C(/health), C(/v1/models) and C(/metrics), each.
    type: float
    default: 20
  completion_timeout_s:
    description: Longest time in seconds for one completion.
    type: float
    default: 120
  concurrency:
    description: How many engines are asked at a time.
    type: int
    default: 8
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
"""

EXAMPLES = r"""
- name: Wait until the service answers
  moefleet.serving.service_probe:
    host: 192.168.1.10
    model: deepseek-v3
    engines: 32
    ask: [0]
  register: service
  until: service.probe.ready
  retries: 60
  delay: 10
"""

RETURN = r"""
probe:
  description: What the service answered.
  returned: always
  type: dict
  contains:
    ready:
      description: >-
        Whether the health is 200, the model is served, every engine is in the metrics and every engine that was asked
        answered.
      type: bool
    reasons:
      description: Why RV(probe.ready) is false, a line a cause.
      type: list
      elements: str
    health:
      description: C(ok), C(status), C(seconds) and C(error).
      type: dict
    models:
      description: The served C(names) (C(null) when unknown), C(status) and C(error).
      type: dict
    metrics_before:
      description: The C(engines), the C(models) and the counters C(per_engine) before the completions, and C(error).
      type: dict
    metrics_after:
      description: The same after them.
      type: dict
    completions:
      description: One entry an engine that was to be asked.
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.verification import service_client

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **service_client.SERVICE_OPTIONS,
    "engines": {"type": "int", "required": True},
    "ask": {"type": "list", "elements": "int"},
    "prompt": {"type": "str", "default": "The quick brown fox"},
    "max_tokens": {"type": "int", "default": 4, "no_log": False},
    "timeout_s": {"type": "float", "default": 20},
    "completion_timeout_s": {"type": "float", "default": 120},
    "concurrency": {"type": "int", "default": 8},
}


def probe_service(options: dict[str, Any]) -> dict[str, Any]:
    """Ask everything, in the order in which a failure explains the next one."""
    endpoint = service_client.Endpoint.from_options(options)
    limit = options["timeout_s"]
    engines = list(range(options["engines"]))
    wanted: list[int] = engines if options["ask"] is None else options["ask"]
    result: dict[str, Any] = {
        "health": service_client.health(endpoint, limit),
        "models": service_client.models(endpoint, limit),
        "metrics_before": service_client.read_metrics(endpoint, limit),
    }
    question = service_client.Question(
        options["model"], options["prompt"], options["max_tokens"], options["completion_timeout_s"]
    )
    result["completions"] = service_client.completions(endpoint, question, wanted, options["concurrency"])
    result["metrics_after"] = service_client.read_metrics(endpoint, limit)
    result["reasons"] = _reasons(result, options["model"], engines)
    result["ready"] = not result["reasons"]
    return result


def _reasons(result: dict[str, Any], model: str, engines: list[int]) -> list[str]:
    reasons: list[str] = []
    if not result["health"]["ok"]:
        reasons.append(f"/health: {result['health']['error']}")
    if result["models"]["names"] is None:
        reasons.append(f"/v1/models: {result['models']['error']}")
    elif model not in result["models"]["names"]:
        reasons.append(f"/v1/models: {model} is not served, but {', '.join(result['models']['names'])}")
    if result["metrics_after"]["engines"] is None:
        reasons.append(f"/metrics: {result['metrics_after']['error']}")
    else:
        missing = sorted(set(engines) - set(result["metrics_after"]["engines"]))
        if missing:
            reasons.append(f"/metrics: engines missing: {', '.join(map(str, missing))}")
    reasons += [f"engine {entry['engine']}: {entry['error']}" for entry in result["completions"] if not entry["ok"]]
    if not result["completions"]:
        reasons.append("no completion was asked for")
    return reasons


def main() -> None:
    """Probe the service and return what it answered."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.exit_json(changed=False, probe=probe_service(module.params))


if __name__ == "__main__":
    main()
