#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One look at a serving host: its unit, processes, limits, kernel, files, model and addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_state
short_description: Read the state of a serving host, changing nothing
version_added: 0.1.0
description:
  - Reads in one call what verification compares with the plan.
  - Whatever cannot be read is C(null) in the result and has its reason in RV(state.reasons); there are no defaults.
  - Run it as root. Other users may not read a process's environment and limits.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
options:
  unit:
    description: The systemd unit that runs the engine on this host.
    type: str
    required: true
  environment:
    description: >-
      Names of variables to read from the environment of the unit's main process. No other variable leaves
      the host.
    type: list
    elements: str
    default: []
  sysctl:
    description: Names of kernel parameters whose live values are read.
    type: list
    elements: str
    default: []
  files:
    description: Files whose digest, mode and owner are read, besides the unit's own.
    type: list
    elements: path
    default: []
  model_path:
    description: Directory of the model. Without it the model is not looked at.
    type: path
  model_sums:
    description: Name of the list of SHA-256 digests in O(model_path).
    type: str
    default: SHA256SUMS
  model_threads:
    description: How many of the model's files are read at once.
    type: int
    default: 4
  model_timeout_s:
    description: Longest time in seconds that the model's files are read for. A model not read to its end is unknown.
    type: float
    default: 1800
  python:
    description: Interpreter of the engine's environment. Without it the engine's version is not asked.
    type: path
  package:
    description: Distribution whose version is asked from O(python).
    type: str
    default: vllm
  interface:
    description: Network interface whose addresses are read.
    type: str
  running:
    description: >-
      Whether the GPUs' memory, processes killed for memory and the log since the unit's start are read.
    type: bool
    default: false
  versions:
    description: Whether the versions of driver, fabric manager, OFED, kernel and the parts of O(python) are read.
    type: bool
    default: false
  engine_command:
    description: The engine's command, for O(flags).
    type: path
  flags:
    description: Options that O(engine_command) must know. Its help takes seconds, and without options it isn't asked.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
"""

EXAMPLES = r"""
- name: Read the state of this host
  moefleet.serving.host_state:
    unit: moefleet-vllm.service
    environment: [VLLM_HOST_IP, GLOO_SOCKET_IFNAME]
    sysctl: [vm.max_map_count]
    python: /opt/moefleet/vllm/bin/python
    model_path: /srv/models/deepseek-v3
    interface: eth1
  register: host_state
"""

RETURN = r"""
state:
  description: What was seen. A probe that failed is C(null).
  returned: always
  type: dict
  contains:
    unit:
      description: Properties of the unit by systemd's names, as text.
      type: dict
    main_process:
      description: >-
        RV(state.main_process.argv) and the C(pid), C(environment), C(user) and C(limits) (soft, hard) of the
        main process.
      type: dict
      contains:
        argv:
          description: The command line, secrets replaced by the start of their digest.
          type: list
          elements: str
    file_environment:
      description: By path of O(files) those variables of O(environment) that it sets, secrets masked.
      type: dict
    ceilings:
      description: The limits of init by the kernel's names where nothing on this host can be given more, else empty.
      type: dict
    ranks:
      description: The engine ranks that run in the unit's control group, each with C(rank) and C(pid).
      type: list
      elements: dict
    sysctl:
      description: Live values by name, white space collapsed.
      type: dict
    files:
      description: By path whether it C(exists), its C(sha256), C(mode), C(owner) and C(size).
      type: dict
    model:
      description: >-
        The number of C(files) in the checksum list and of C(matching) ones, and the paths that are C(differing),
        C(missing) and C(unlisted).
      type: dict
    engine:
      description: The C(version) of the package and of its C(python).
      type: dict
    addresses:
      description: Addresses on the interface, without prefix length.
      type: list
      elements: str
    gpu_memory:
      description: C(used_mib) and C(total_mib) of each GPU; an empty list without GPUs.
      type: list
      elements: dict
    oom_kills:
      description: Processes of the unit that the kernel killed because memory ran out, since its start.
      type: int
    engine_log:
      description: What the log since the unit's start says, values of C(vllm) and the evidence C(eplb).
      type: dict
    versions:
      description: Versions by part; a part that isn't there has none.
      type: dict
    flags:
      description: By name whether the engine knows it, C(yes), C(no) or C(unknown).
      type: dict
    reasons:
      description: By the name of the probe why its result is C(null). Kernel parameters and files have their own names.
      type: dict
"""

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError
from ansible_collections.moefleet.serving.plugins.module_utils.verification import host_probes, running_probes

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "unit": {"type": "str", "required": True},
    "environment": {"type": "list", "elements": "str", "default": []},
    "sysctl": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "path", "default": []},
    "model_path": {"type": "path"},
    "model_sums": {"type": "str", "default": "SHA256SUMS"},
    "model_threads": {"type": "int", "default": 4},
    "model_timeout_s": {"type": "float", "default": 1800},
    "python": {"type": "path"},
    "package": {"type": "str", "default": "vllm"},
    "interface": {"type": "str"},
    "running": {"type": "bool", "default": False},
    "versions": {"type": "bool", "default": False},
    "engine_command": {"type": "path"},
    "flags": {"type": "list", "elements": "str", "default": []},
}


def gather(options: dict[str, Any]) -> dict[str, Any]:
    """Run every probe that ``options`` ask for. One that fails leaves None and its reason; the others go on."""
    reasons: dict[str, str] = {}

    def attempt(name: str, probe: Callable[[], Any]) -> Any:
        try:
            return probe()
        except (ProbeError, OSError) as error:
            reasons[name] = str(error)
            return None

    def asked(name: str, option: str, probe: Callable[[], Any]) -> Any:
        if options[option]:
            return attempt(name, probe)
        reasons[name] = f"not asked for: {option} is not set"
        return None

    unit: dict[str, str] | None = attempt("unit", lambda: host_probes.unit_state(options["unit"]))
    sysctl, sysctl_reasons = host_probes.kernel_parameters(options["sysctl"])
    files, file_reasons = host_probes.file_states(_unit_files(unit) + options["files"])
    state: dict[str, Any] = {
        "unit": unit,
        "main_process": attempt("main_process", lambda: _main_process(unit, options["environment"])),
        "file_environment": attempt(
            "file_environment", lambda: host_probes.file_environment(options["files"], options["environment"])
        ),
        "ceilings": attempt("ceilings", host_probes.limit_ceilings),
        "ranks": attempt("ranks", lambda: _ranks(unit)),
        "sysctl": sysctl,
        "files": files,
        "model": asked(
            "model",
            "model_path",
            lambda: host_probes.model_files(
                options["model_path"], options["model_sums"], options["model_threads"], options["model_timeout_s"]
            ),
        ),
        "engine": asked("engine", "python", lambda: host_probes.engine_version(options["python"], options["package"])),
        "addresses": asked("addresses", "interface", lambda: host_probes.interface_addresses(options["interface"])),
        "gpu_memory": asked("gpu_memory", "running", running_probes.gpu_memory),
        "oom_kills": asked("oom_kills", "running", lambda: running_probes.oom_kills(_property(unit, "ControlGroup"))),
        "engine_log": asked(
            "engine_log",
            "running",
            lambda: running_probes.engine_log(options["unit"], _property(unit, "InvocationID")),
        ),
        "versions": asked("versions", "versions", lambda: running_probes.versions(_given(options, "python"))),
        "flags": asked(
            "flags",
            "flags",
            lambda: running_probes.known_flags(_given(options, "engine_command"), options["flags"]),
        ),
    }
    for more in (sysctl_reasons, file_reasons):
        reasons.update(more)
    state["reasons"] = reasons
    return state


def _property(unit: dict[str, str] | None, name: str) -> str:
    if unit is None:
        raise ProbeError("the unit could not be read")
    return unit.get(name, "")


def _given(options: dict[str, Any], name: str) -> str:
    if not options[name]:
        raise ProbeError(f"not asked for: {name} is not set")
    return str(options[name])


def _unit_files(unit: dict[str, str] | None) -> list[str]:
    if unit is None:
        return []
    paths = [unit.get("FragmentPath", ""), *unit.get("DropInPaths", "").split()]
    return [path for path in paths if path]


def _main_process(unit: dict[str, str] | None, names: list[str]) -> dict[str, Any]:
    if unit is None:
        raise ProbeError("the unit could not be read")
    pid = unit.get("MainPID", "")
    if not pid.isdecimal() or pid == "0":
        raise ProbeError(f"the unit has no main process ({unit.get('ActiveState')}, {unit.get('SubState')})")
    return host_probes.main_process(int(pid), names)


def _ranks(unit: dict[str, str] | None) -> list[dict[str, int]]:
    return host_probes.running_ranks(_property(unit, "ControlGroup"))


def main() -> None:
    """Read the host and return what was seen."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.exit_json(changed=False, state=gather(module.params))


if __name__ == "__main__":
    main()
