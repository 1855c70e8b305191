#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Are a service's answers right? Every engine's greedy answers against a reference of the same weights."""

from __future__ import annotations

DOCUMENTATION = r"""
module: answers
short_description: Hold every engine's answers against a reference of the same weights
version_added: 0.1.0
description:
  - A wrong all-to-all, kernel or weight answers with status 200 and garbage. Only the tokens and their
    log-probabilities tell.
  - Asks every engine, addressed by the request header C(X-data-parallel-rank), for greedy continuations of the same
    prompts, and compares the tokens, and their log-probabilities within O(tolerance), with the reference's and among
    the engines.
  - A token that the reference has within O(tolerance) of its best is as right. What follows is then not compared.
  - The reference is O(reference) where that file is there. Otherwise it is computed from the checkpoint with
    O(program), once, in the engine's environment, and kept in O(cache). A kept result of a measurement is no change of
    the host.
  - A reference names its checkpoint by the SHA-256 of C(SHA256SUMS). One of another checkpoint is refused, and the
    answers are unknown.
author: moefleet contributors (@moefleet)
extends_documentation_fragment:
  - moefleet.serving.attributes
  - moefleet.serving.service
options:
  engines:
    description: How many engines (data-parallel ranks) the service has.
    type: int
    required: true
  model_path:
    description: The model's directory on this host, with its C(SHA256SUMS).
    type: path
    required: true
  reference:
    description: A reference file on this host, or where one is recorded to. Without it the reference is computed.
    type: path
  record:
    description: >-
      Whether the answers of the first engine are written to O(reference) instead of being compared. Such a reference
      proves sameness over time, not rightness.
    type: bool
    default: false
  python:
    description: Interpreter of the engine's environment, for computing the reference.
    type: path
    required: true
  program:
    description: The text of the program that computes the reference, as the role C(verify) has it.
    type: str
    required: true
  cache:
    description: Directory in which a computed reference is kept. Without it each run computes it.
    type: path
  prompts:
    description: The texts that are continued.
    type: list
    elements: str
    required: true
  tokens:
    description: How many tokens each answer has.
    type: int
    default: 8
  tolerance:
    description: >-
      How far the log-probability (natural) of any token may differ from the reference's. An engine computes with fewer
      bits, and where two experts are as good as each other that sends a token to the other one.
    type: float
    default: 0.5
  median_tolerance:
    description: The same for the middle of all tokens of an engine.
    type: float
    default: 0.1
  most_bytes:
    description: A checkpoint of more bytes is not computed, its answers are unknown without a reference.
    type: int
    default: 4294967296
  user:
    description: User that computes the reference. The module's own user when not set.
    type: str
  concurrency:
    description: How many engines are asked at a time.
    type: int
    default: 8
  timeout_s:
    description: Longest time in seconds for one answer.
    type: float
    default: 120
  program_timeout_s:
    description: Longest time in seconds for computing the reference.
    type: float
    default: 300
attributes:
  check_mode:
    support: full
    details: In check mode nothing is recorded or kept.
  diff_mode: {support: none}
  idempotent: {support: full}
"""

EXAMPLES = r"""
- name: Right answers from every engine
  moefleet.serving.answers:
    host: 192.168.1.10
    model: deepseek-v3
    engines: 32
    model_path: /srv/models/deepseek-v3
    reference: /srv/models/deepseek-v3.reference.json
    python: /opt/moefleet/vllm/bin/python
    program: "{{ lookup('ansible.builtin.file', 'reference.py') }}"
    prompts: [The quick brown fox, Lorem ipsum]
  register: answers
"""

RETURN = r"""
measurements:
  description: The figures C(right_answers) and C(answers_alike), each with its C(runs).
  returned: always
  type: list
  elements: dict
reference:
  description: What the answers were held against, without its answers; C(null) where there was none.
  returned: always
  type: dict
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.verification import entries, service_client
from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers import ask, figures, source
from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers.compare import Tolerance
from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers.model import (
    RECORDED,
    Answer,
    BadReferenceError,
    Reference,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    **service_client.SERVICE_OPTIONS,
    "engines": {"type": "int", "required": True},
    "model_path": {"type": "path", "required": True},
    "reference": {"type": "path"},
    "record": {"type": "bool", "default": False},
    "python": {"type": "path", "required": True},
    "program": {"type": "str", "required": True},
    "cache": {"type": "path"},
    "prompts": {"type": "list", "elements": "str", "required": True},
    "tokens": {"type": "int", "default": 8, "no_log": False},
    "tolerance": {"type": "float", "default": 0.5},
    "median_tolerance": {"type": "float", "default": 0.1},
    "most_bytes": {"type": "int", "default": source.MOST_BYTES},
    "user": {"type": "str"},
    "concurrency": {"type": "int", "default": 8},
    "timeout_s": {"type": "float", "default": 120},
    "program_timeout_s": {"type": "float", "default": 300},
}


def reference_of(options: dict[str, Any], keep: bool = True) -> Reference:
    """Return the reference that the options name.

    Raises:
        BadReferenceError: there is none that can be used.
    """
    model = Path(options["model_path"])
    checkpoint = source.checkpoint_of(model)
    if options["reference"] and (Path(options["reference"]).exists() or not options["record"]):
        return source.handed_over(Path(options["reference"]), checkpoint)
    wanted = source.Wanted(
        model=model,
        python=options["python"],
        program=options["program"],
        prompts=tuple(options["prompts"]),
        tokens=options["tokens"],
        timeout_s=options["program_timeout_s"],
        user=options["user"] or "",
        most_bytes=options["most_bytes"],
    )
    return source.computed(wanted, Path(options["cache"]) if options["cache"] and keep else None)


def measure(options: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    """Ask and compare; ``changed`` says whether a reference was recorded."""
    endpoint = service_client.Endpoint.from_options(options)
    engines = list(range(options["engines"]))
    reference, missing = None, "it is recorded now"
    recording = options["record"] and bool(options["reference"]) and not Path(options["reference"]).exists()
    if not recording:
        try:
            reference = reference_of(options, keep=not check_mode)
        except BadReferenceError as error:
            missing = str(error)
    answers: dict[int, list[Answer]] = {}
    try:
        prompts = (
            [answer.prompt for answer in reference.answers]
            if reference
            else [ask.tokens_of(endpoint, options["model"], text, options["timeout_s"]) for text in options["prompts"]]
        )
    except ask.NoAnswerError as error:
        errors = dict.fromkeys(engines, str(error))
    else:
        tokens = max(len(answer.tokens) for answer in reference.answers) if reference else options["tokens"]
        question = ask.Question(options["model"], tuple(prompts), tokens, options["timeout_s"])
        answers, errors = ask.ask_all(endpoint, question, engines, options["concurrency"])
    changed = False
    if recording and 0 in answers and not errors:
        try:
            made_by = f"engine 0 of the service {options['host']} port {options['port']}"
            checkpoint = source.checkpoint_of(Path(options["model_path"]))
            reference = Reference(checkpoint, RECORDED, made_by, tuple(answers[0]))
            changed = True
            if not check_mode:
                source.keep(Path(options["reference"]), reference)
        except BadReferenceError as error:
            missing = str(error)
    conditions = entries.conditions()
    tolerance = Tolerance(options["tolerance"], options["median_tolerance"])
    found = [
        figures.right_answers(reference, missing, answers, errors, tolerance),
        figures.answers_alike(answers, errors, tolerance),
    ]
    for entry in found:
        entry["conditions"].update(conditions)
    about = replace(reference, answers=()).to_dict() if reference else None
    return {"changed": changed, "measurements": found, "reference": about}


def main() -> None:
    """Ask, compare, and return what came out."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.exit_json(**measure(module.params, module.check_mode))


if __name__ == "__main__":
    main()
