#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Watch a host's GPUs while something else goes on, and say the peak of their memory and the mean of their use."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_watch
short_description: Watch a host's GPUs over a time, and say their peak of memory and their use
version_added: 0.1.0
description:
  - With O(state=started) a transient unit of systemd, C(moefleet-gpu-watch.service), asks C(nvidia-smi) every so often.
    It outlives the task, and ends by itself after O(most_s).
  - With O(state=ended) it is ended, and RV(gpu.peaks) are the most that was in use of each GPU. Where answers are
    missing for so long that a peak can have passed unseen, or where the unit had ended before, nothing is known of it,
    and RV(gpu.reason) says why.
  - On a host without a GPU's device it does nothing.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
options:
  state:
    description: Whether to begin or to end.
    type: str
    choices: [started, ended]
    required: true
  interval_s:
    description: Seconds between two questions.
    type: float
    default: 1
  most_s:
    description: After so many seconds it ends by itself.
    type: float
    default: 21600
attributes:
  check_mode: {support: full, details: It says whether a unit would be started or ended.}
  diff_mode: {support: none}
  idempotent:
    support: partial
    details: Begun again, it begins anew.
"""

EXAMPLES = r"""
- name: Watch the GPUs
  moefleet.serving.gpu_watch:
    state: started

- name: What they had in use at most
  moefleet.serving.gpu_watch:
    state: ended
  register: watched
"""

RETURN = r"""
gpu:
  description: What was seen, with O(state=ended).
  returned: always
  type: dict
  contains:
    peaks:
      description: >-
        The C(index), C(used_mib) at its most and C(total_mib) of each GPU; an empty list without GPUs, C(null) where
        it isn't known.
      type: list
      elements: dict
    use_percent:
      description: >-
        The mean over all answers and GPUs of the share of time in which a kernel ran; C(null) where an answer had none,
        where RV(gpu.peaks) are not known, and without GPUs.
      type: float
    samples:
      description: How often nvidia-smi answered.
      type: int
    seconds:
      description: From the first answer to the last one.
      type: float
    longest_gap_s:
      description: The longest time without an answer, in seconds.
      type: float
    reason:
      description: Why nothing is known.
      type: str
"""

import datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load import gpu_samples

STARTED = "started"
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": [STARTED, "ended"], "required": True},
    "interval_s": {"type": "float", "default": 1},
    "most_s": {"type": "float", "default": 21600},
}


def watch(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Begin or end, and return ``changed`` and ``gpu``. It never fails: what can't be watched is not known."""
    if not gpu_samples.has_gpus():
        return {"changed": False, "gpu": gpu_samples.Watched(()).to_dict()}
    nothing = gpu_samples.Watched(None, reason="nothing was seen yet")
    try:
        if options["state"] == STARTED:
            if not check_mode:
                gpu_samples.start(options["interval_s"], options["most_s"])
            return {"changed": True, "gpu": nothing.to_dict()}
        changed = gpu_samples.running()
    except ProbeError as error:
        watched = gpu_samples.Watched(None, reason=f"the GPUs were not watched: {error}")
        return {"changed": False, "gpu": watched.to_dict()}
    if check_mode:
        return {"changed": changed, "gpu": nothing.to_dict()}
    now = datetime.datetime.now()  # noqa: DTZ005 - as nvidia-smi prints it
    return {"changed": changed, "gpu": gpu_samples.collect(options["interval_s"], now).to_dict()}


def main() -> None:
    """Begin or end to watch."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.exit_json(**watch(module.params, module.check_mode))


if __name__ == "__main__":
    main()
