#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Judge what was seen of a service against its plan and write the report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verification_report
short_description: Judge a service against its plan and write the report
version_added: 0.1.0
description:
  - Compares what M(moefleet.serving.host_state), M(moefleet.serving.service_probe) and M(moefleet.serving.load_test)
    saw with the plan and with what is demanded, and writes the report.
  - It runs on the controller and asks no host anything.
  - What was not seen is unknown, which is never a pass.
  - The report is written whatever the verdict is. With O(strict) the module fails after that.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
options:
  dest:
    description: >-
      Directory of the report; it is made where it is missing. C(report.json), C(report.html), C(report.md) and
      C(junit.xml) are written to it, and the run's figures to C(history).
    type: path
    required: true
  plan:
    description: The plan, as M(moefleet.serving.serving_plan) returns it.
    type: dict
    required: true
  hosts:
    description: >-
      By the host's name what is demanded of it and what it is. A planned host that is missing here, or whose result
      says that it was unreachable, is unknown. C(result) is the registered result of M(moefleet.serving.host_state).
      C(demands) has the C(unit), its C(user), the kernel parameters C(sysctl) and sandboxing properties C(hardening)
      with the values that they must have, and the least C(memlock) (bytes, or C(infinity)) and C(nofile).
    type: dict
    required: true
  probe:
    description: What M(moefleet.serving.service_probe) returned as RV(moefleet.serving.service_probe#module:probe).
    type: dict
  probe_missing:
    description: Why there is no O(probe).
    type: str
    default: there is no result of the probe
  bench:
    description: What M(moefleet.serving.load_test) returned as RV(moefleet.serving.load_test#module:load).
    type: dict
  bench_missing:
    description: Why there is no O(bench).
    type: str
    default: there is no result of the benchmark
  thresholds:
    description: >-
      Objectives by the figure's name: C(ttft_p99_ms), C(tpot_p50_ms), C(itl_p99_ms), C(e2el_p95_ms) at most, and
      C(output_tokens_s), C(total_tokens_s) at least.
      C(ttft_p99_ms) and its like also judge the measured ones at 512 tokens where the plan has no objective for them.
      A figure of the catalogue by its id is judged by it in O(measurements): a number that must be kept, or a
      dictionary with C(expected), C(warn) and C(fail), of which those that are missing are left to the source, and
      C(low_share), the share of the median of all places below which one fails.
    type: dict
    default: {}
  measurements:
    description: >-
      What was measured: dictionaries with the C(check) of the catalogue, C(host), C(peer), C(runs), C(argv),
      C(conditions) and C(not_applicable); C(left_out) says why one was left out on purpose, which is listed and not
      judged.
    type: list
    elements: dict
    default: []
  threshold_sources:
    description: >-
      Whose thresholds judge measured figures. A list of sections of the reference document (C(7.1.3)) or V(plan), the
      preferred first, or a dictionary with the source of a figure by its id. By default a figure is judged by the
      plan's objective, else by the first source of the catalogue.
    type: raw
    default: []
  phases:
    description: >-
      Phases whose figures must all have been measured; what is missing is unknown. Of other phases what was measured
      is judged.
    type: list
    elements: str
    choices: [fabric, service, experiments, watched]
    default: []
  require_all:
    description: Whether a figure that this place can't have, as RDMA's without a device, is a failure.
    type: bool
    default: false
  parts:
    description: >-
      What is judged beside the measurements: states of the V(hosts), answers of the V(service), and its V(benchmark).
      A part that was left out of a run says nothing; one that is named here and was not seen is unknown.
    type: list
    elements: str
    choices: [hosts, service, benchmark]
    default: [hosts, service, benchmark]
  history_runs:
    description: >-
      How many runs are kept in C(history) below O(dest). The figures of this one are compared with the last good one of
      them. With V(0) none is kept.
    type: int
    default: 30
  strict:
    description: Whether the module fails when a check failed or is unknown.
    type: bool
    default: false
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: none}
"""

EXAMPLES = r"""
- name: Judge and report
  moefleet.serving.verification_report:
    dest: artifacts/verify
    plan: "{{ plan }}"
    hosts:
      node-0:
        demands:
          unit: moefleet-vllm.service
          user: moefleet
          sysctl:
            net.core.somaxconn: 4096
          hardening:
            NoNewPrivileges: "yes"
          memlock: infinity
          nofile: 1048576
        result: "{{ hostvars['node-0']['state'] }}"
    probe: "{{ service.probe }}"
    bench: "{{ load.bench }}"
    thresholds:
      ttft_p99_ms: 1500
  delegate_to: localhost
"""

RETURN = r"""
verdict:
  description: The worst of all checks.
  returned: always
  type: str
  sample: pass
headline:
  description: The verdict in a sentence.
  returned: always
  type: str
counts:
  description: How many checks came out V(pass), V(warn), V(unknown), V(fail) and V(not applicable).
  returned: always
  type: dict
troubles:
  description: >-
    A line for each failed and each unknown check: host, rank, what is wrong, expected, found, and what to do.
    What is the same on several hosts is one line. Failures come first.
  returned: always
  type: list
  elements: str
warnings_found:
  description: A line for each check that passed with a warning.
  returned: always
  type: list
  elements: str
worse:
  description: A line for each figure that got worse since the last good run by more than its noise.
  returned: always
  type: list
  elements: str
report_json:
  description: Where the report is as JSON.
  returned: always
  type: str
report_html:
  description: Where the report is as a page.
  returned: always
  type: str
"""

import datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import WARN, number
from ansible_collections.moefleet.serving.plugins.module_utils.verification import report
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES, BY_ID
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.model import PHASES
from ansible_collections.moefleet.serving.plugins.module_utils.verification.limits import Choice
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import (
    Check,
    Demands,
    HostState,
    Planned,
    VerificationError,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting import history, schema, write

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "dest": {"type": "path", "required": True},
    "plan": {"type": "dict", "required": True},
    "hosts": {"type": "dict", "required": True},
    "probe": {"type": "dict"},
    "probe_missing": {"type": "str", "default": "there is no result of the probe"},
    "bench": {"type": "dict"},
    "bench_missing": {"type": "str", "default": "there is no result of the benchmark"},
    "thresholds": {"type": "dict", "default": {}},
    "measurements": {"type": "list", "elements": "dict", "default": []},
    "threshold_sources": {"type": "raw", "default": []},
    "phases": {"type": "list", "elements": "str", "choices": list(PHASES), "default": []},
    "require_all": {"type": "bool", "default": False},
    "parts": {"type": "list", "elements": "str", "choices": list(report.PARTS), "default": list(report.PARTS)},
    "history_runs": {"type": "int", "default": 30},
    "strict": {"type": "bool", "default": False},
}


def thresholds_of(settings: dict[str, Any]) -> dict[str, float]:
    """Read the benchmark's objectives; figures of the catalogue are judged by their measurements.

    Raises:
        VerificationError: one is no number.
    """
    read = {str(name): number(value) for name, value in settings.items() if str(name) not in BY_ID}
    wrong = sorted(name for name, value in read.items() if value is None)
    if wrong:
        raise VerificationError("bad-threshold", "thresholds", f"no numbers: {', '.join(wrong)}", "Say plain numbers.")
    return {name: value for name, value in read.items() if value is not None}


def measured_of(options: dict[str, Any]) -> report.Measured:
    """Read what was measured and how it is to be judged.

    Raises:
        VerificationError: a source, a figure or a number that there is none of.
    """
    return report.Measured(
        plan=options["plan"],
        measurements=options["measurements"],
        choice=Choice.read(ACCEPTANCES, options["threshold_sources"], options["thresholds"]),
        phases=options["phases"],
        require_all=options["require_all"],
        parts=options["parts"],
    )


def make_report(options: dict[str, Any], generated_at: str) -> tuple[dict[str, Any], list[Check]]:
    """Return the report and the checks that it holds."""
    planned = Planned.from_plan(options["plan"])
    thresholds = thresholds_of(options["thresholds"])
    hosts: dict[str, dict[str, Any]] = options["hosts"]
    demands = {
        name: Demands.from_settings(entry["demands"], f"hosts.{name}.demands")
        for name, entry in hosts.items()
        if entry.get("demands")
    }
    states = {name: HostState.from_result(entry.get("result")) for name, entry in hosts.items()}
    checks = report.judge(
        planned,
        demands,
        states,
        thresholds=thresholds,
        probe=options["probe"],
        bench=options["bench"],
        missing_probe=options["probe_missing"],
        missing_bench=options["bench_missing"],
        measured=measured_of(options),
    )
    raw = {
        "hosts": {name: (entry.get("result") or {}).get("state") for name, entry in hosts.items()},
        "probe": options["probe"],
        "bench": options["bench"],
    }
    document = report.build(
        options["plan"],
        planned,
        thresholds=thresholds,
        checks=checks,
        states=states,
        raw=raw,
        generated_at=generated_at,
        measurements=options["measurements"],
    )
    return document, checks


def earlier_runs(directory: Path) -> list[dict[str, Any]]:
    """Read the runs that are kept, the oldest first; a file that can't be read is none of them."""
    texts = []
    for path in sorted(directory.glob("*.json")):
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
    return history.load(texts)


def put(module: AnsibleModule, directory: Path, files: dict[str, str], keep: int) -> None:
    """Write the report's files, and remove the runs of the history that are too many."""
    kept = directory / write.HISTORY_DIRECTORY
    kept.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        put_file(module, directory / name, content)
    for name in write.surplus([path.name for path in kept.glob("*.json")], keep):
        (kept / name).unlink()


def put_file(module: AnsibleModule, path: Path, content: str) -> None:
    """Put ``content`` into ``path`` in one step, so that no reader ever sees half a report."""
    draft = Path(module.tmpdir) / path.name
    draft.write_text(content, encoding="utf-8")
    module.atomic_move(str(draft), str(path))


def main() -> None:
    """Judge, write, and say how it came out."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    options: dict[str, Any] = module.params
    now = datetime.datetime.now(datetime.timezone.utc).astimezone().isoformat(timespec="seconds")
    try:
        judged, checks = make_report(options, now)
        directory = Path(options["dest"])
        document = write.finished(judged, earlier_runs(directory / write.HISTORY_DIRECTORY))
    except VerificationError as error:
        module.fail_json(msg=str(error), code=error.code)
        raise
    except schema.SchemaError as error:
        module.fail_json(msg=f"{error}. This is a fault of the collection: please tell its makers.")
        raise
    troubles = report.sentences(report.trouble(checks))
    result: dict[str, Any] = {
        "changed": not module.check_mode,
        "verdict": document["verdict"],
        "headline": report.headline(document),
        "counts": document["counts"],
        "troubles": troubles,
        "warnings_found": report.sentences([check for check in checks if check.verdict == WARN]),
        "worse": history.sentences(document["history"]),
        "report_json": str(directory / "report.json"),
        "report_html": str(directory / "report.html"),
    }
    if not module.check_mode:
        try:
            put(module, directory, write.texts(document), options["history_runs"])
        except OSError as error:
            module.fail_json(msg=f"The report could not be written: {error}", **result)
    if options["strict"] and troubles:
        module.fail_json(msg=result["headline"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
