#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: serving_plan
short_description: Plan an expert-parallel vLLM service over several hosts
version_added: "0.1.0"
author:
  - moefleet contributors (@moefleet)
description:
  - Computes, on the controller and without touching a host, where every data parallel rank runs, whether weights,
    KV cache and overhead fit the fullest rank, and the command line and environment that each host starts the
    engine with.
  - Says what is to be expected of it (tokens a second, time to the first token and per token, each as a range with
    its bound and what limits it), judges objectives by that, and looks for layouts of the same hosts that do better.
  - Everything that can be known wrong from the input is listed as a finding with a code, a message and a fix. A
    finding of severity C(error) makes the module fail after all findings are listed; the failed result still
    carries the whole plan.
  - Keys the module does not know are errors, with a suggestion.
options:
  cluster:
    description:
      - C(hosts), a list of hosts in inventory order, each with C(name), C(data_address) and, where known,
        C(node_rank), C(data_interface), C(rdma_device) (C(mlx5_0) or C(mlx5_0:1)) and, where it differs, C(gpu).
      - C(gpus_per_host); C(gpu), a name from the catalogue or a mapping with at least C(memory_bytes), what the
        device offers, and for the performance C(memory_bandwidth_bytes_s), C(bf16_flops), C(fp8_flops), C(fp4_flops)
        and C(nvlink_bytes_s) (one direction).
      - C(nic_gbit_s), the speed of one port of the data network, C(nics_per_host), by default V(1), and C(nic_mtu),
        by default V(4096), and C(traffic_class), the byte that RDMA packets carry in the IP header (DSCP x 4 + ECN).
      - C(mixed_gpus), whether unlike devices are refused (V(refuse), the default) or planned on the V(weakest).
    type: dict
    required: true
  model:
    description:
      - A name from the catalogue, the path of a C(config.json) on the controller, or the content of one.
    type: raw
    required: true
  model_path:
    description:
      - What C(vllm serve) gets as the model on the hosts.
      - By default the repository of the catalogue's model, or the directory of the C(config.json).
    type: str
  precision:
    description:
      - Precision of the weights, V(bf16), V(fp8), V(int8), V(int4), V(awq), V(gptq) or V(nvfp4); V(auto) is the
        checkpoint's own.
    type: str
    default: auto
  parallel:
    description:
      - C(tensor), C(data), C(pipeline) sizes; C(data) by default uses every GPU. C(expert) spreads the routed
        experts over tensor x data ranks. C(redundant_experts) copies of experts for load balancing, C(eplb)
        whether balancing is on. C(decode_context) ranks of a tensor group divide each sequence's KV cache.
    type: dict
    default: {}
  layout:
    description:
      - C(kind), V(wide_ep) for one group of ranks over all hosts, the default, V(replicas) for independent groups of
        C(hosts_per_group) hosts, by default V(1), behind a balancer, or V(pipeline) for groups, by default one of all
        hosts, each of whose hosts is a stage.
      - C(data) of O(parallel) counts the ranks of all groups. Of a pipeline the sizes follow from the hosts, and only
        C(expert) of O(parallel) is taken.
    type: dict
    default: {}
  engine:
    description:
      - C(name) (C(vllm)) and C(version); C(platform), V(cuda) or V(cpu).
      - C(gpu_memory_utilization), C(kv_cache_dtype), C(max_model_len), C(kv_cache_memory_bytes), C(max_num_seqs)
        (a rank), C(max_num_batched_tokens), C(all2all_backend), C(eplb_config), C(api_server_count).
      - C(speculative_tokens) drafted a step by the model's own multi-token prediction and their C(acceptance_rate);
        C(enforce_eager) for no CUDA graphs.
      - C(host) and C(port) the API servers listen on, C(rpc_port) of the engines' handshake, C(served_model_name).
      - C(arguments), further flags without dashes with their values, and C(environment), further variables.
    type: dict
    required: true
  workload:
    description:
      - C(sessions), how many sequences are served at once, each at full context.
      - For the performance C(input_tokens) and C(output_tokens) of a request, C(context_tokens), the mean context
        while tokens are generated, and C(arrival_rate) in requests a second; without it C(sessions) users ask again
        as soon as they are answered.
    type: dict
    required: true
  objectives:
    description:
      - Service objectives, each with C(metric) (C(decode_tokens_s), C(prefill_tokens_s), C(output_tokens_s),
        C(ttft_ms), C(tpot_ms), C(memory_used_fraction), C(sessions)) and C(at_least) or C(at_most); C(name),
        C(percentile) and C(input_tokens) where they matter.
    type: list
    elements: dict
  search:
    description:
      - C(enabled), whether other layouts are looked for, by default V(true); C(precisions) that may be tried beside
        the plan's own; C(most), how many are reported, by default V(12).
    type: dict
  stack:
    description:
      - The hosts' software, judged as a set against the engine's wheel. Everything is optional; what is not given
        is said to be unknown and never taken for good.
      - C(profile), V(cuda12_4), V(cuda12_8) or V(cuda13), gives the CUDA toolkit and says which releases it is for.
      - C(driver), C(cuda_toolkit), C(distribution) (V(ubuntu22.04), V(ubuntu24.04), V(debian12), V(debian13),
        V(rhel9), V(rocky9)), C(python) (in quotes, 3.10 is not 3.1), C(glibc), C(fabric_manager); C(wheel_cuda) for
        a wheel other than the one on PyPI, such as V(cu129).
      - C(ofed), V(inbox), V(doca) or V(mlnx_ofed), with a version after a blank; C(secure_boot).
      - C(packages), installed Python packages with their versions, or what C(pip list --format freeze) prints.
    type: dict
  claims:
    description:
      - Claims to be checked; see the documentation's page on them.
    type: raw
  commands:
    description:
      - Command lines of C(vllm serve) by host name, as text with variables before the command, continuations,
        comments and quotes, or as an argument list. They are audited for O(engine)'s version - what would they
        start on these hosts, or why would the service not come up?
      - What is wrong with them is among the findings and makes the module fail like any other error.
    type: dict
  inventory:
    description:
      - C(sources), the paths the inventory was read from, and C(group), the group the hosts were taken from.
        Given these, the raw files are searched for defects that Ansible only warns about.
    type: dict
  dest:
    description:
      - A file to write the plan to as JSON, only where its content differs; missing directories are made. Nothing
        is written when the plan has errors.
    type: path
  page:
    description:
      - A file to write the plan to as one HTML page that needs nothing else, only where its content differs; missing
        directories are made. It is written when the plan has errors, too, and then says what stands against it.
      - Values of variables and flags that are named like a secret are not on it.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: full
requirements:
  - PyYAML, where O(inventory) names YAML files
notes:
  - Runs on the controller; delegate it to C(localhost).
seealso:
  - plugin: moefleet.serving.rank_layout
    plugin_type: filter
  - plugin: moefleet.serving.memory_budget
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Plan DeepSeek-V3 on four hosts of eight
  moefleet.serving.serving_plan:
    cluster:
      hosts:
        - {name: node-0, data_address: 192.168.1.10, data_interface: eth1}
        - {name: node-1, data_address: 192.168.1.11, data_interface: eth1}
        - {name: node-2, data_address: 192.168.1.12, data_interface: eth1}
        - {name: node-3, data_address: 192.168.1.13, data_interface: eth1}
      gpus_per_host: 8
      gpu: H20-96G
      nic_gbit_s: 25
      nics_per_host: 1
    model: deepseek-v3
    precision: fp8
    parallel: {tensor: 1, data: 32, pipeline: 1, expert: true, redundant_experts: 32}
    engine: {name: vllm, version: 0.19.1, gpu_memory_utilization: 0.9, kv_cache_dtype: auto, max_model_len: 32768}
    workload: {sessions: 200, input_tokens: 512, output_tokens: 1024}
    objectives:
      - {name: throughput, metric: decode_tokens_s, at_least: 50000}
      - {name: first token, metric: ttft_ms, percentile: 95, input_tokens: 512, at_most: 1200}
  delegate_to: localhost
  run_once: true

- name: The same with the hosts' software, and commands from elsewhere
  moefleet.serving.serving_plan:
    cluster: "{{ cluster }}"
    model: deepseek-v3
    engine: {name: vllm, version: 0.19.1}
    workload: {sessions: 200}
    stack:
      profile: cuda12_4
      driver: 550.127.05
      distribution: ubuntu22.04
      ofed: doca 3.1.0
    commands:
      node-0: |
        GLOO_SOCKET_IFNAME=eth1 NCCL_SOCKET_IFNAME==eth1 \
        vllm serve deepseek-ai/DeepSeek-V3 --enable-expert-parallel --data-parallel-size 32 \
          --data-parallel-size-local 8 --data-parallel-address 192.168.1.10 --api-server-count 8
      node-1: |
        GLOO_SOCKET_IFNAME=eth1 NCCL_SOCKET_IFNAME==eth1 \
        vllm serve deepseek-ai/DeepSeek-V3 --enable-expert-parallel --data-parallel-size 32 \
          --data-parallel-size-local 8 --data-parallel-address 192.168.1.10 \
          --headless --data-parallel-start-rank 8
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
plan:
  description:
    - The whole plan, also when the module fails. A part that could not be made is empty and has an error among
      the findings.
  returned: always
  type: dict
  contains:
    layout:
      description:
        - Where every rank runs. In C(hosts) each host's C(name), C(role), C(start_rank), C(local_ranks) and
          C(ranks); of a pipeline also its C(stage).
      type: dict
    memory:
      description: In C(per_rank) the memory of the fullest rank, in bytes and tokens.
      type: dict
    loading:
      description:
        - What ranks read of the checkpoint, C(checkpoint_bytes), C(rank_bytes), C(host_bytes) and C(saved_bytes),
          whether experts of other ranks are left out (C(filtered)), and the C(reason).
      type: dict
    serve:
      description: For each host C(argv), one token an element, and C(env).
      type: dict
    service:
      description: Head, address, ports, number of engines and names of the service.
      type: dict
    engine:
      description: Name, version and platform of the engine.
      type: dict
    model:
      description: C(parameters) (C(total), C(active), C(routed), C(components)) and C(flops_per_token).
      type: dict
    network:
      description: Bytes a token and C(bound_tokens_s), the ports' ceiling, by back end.
      type: dict
    performance:
      description:
        - C(decode_tokens_s), C(prefill_tokens_s), C(output_tokens_s), C(ttft_ms) and C(tpot_ms), each with C(low),
          C(likely), C(high) and C(bound), and C(limited_by). Empty where a device's or port's rate is not known.
      type: dict
    objectives:
      description: Each objective with its C(verdict), V(met), V(not met) or V(uncertain), and C(margin).
      type: list
      elements: dict
    layouts:
      description:
        - What each C(kind) of O(layout) would be with the same input, the C(chosen) one among them. Fields as in
          C(alternatives); where nothing can be made of it only C(reason).
      type: list
      elements: dict
    alternatives:
      description: Layouts of the same hosts, best first, then those dropped with the C(reason).
      type: list
      elements: dict
    wins_from_nic_gbit_s:
      description: Port speed of a host from which the requested layout is as fast as the best other one.
      type: float
    sensitivity:
      description: What ten percent more or less of each input do.
      type: list
      elements: dict
    contingencies:
      description: What runs with a device or a host lost, and with more devices.
      type: list
      elements: dict
    bring_up:
      description: What can be loaded at each stage of bringing the cluster up.
      type: list
      elements: dict
    document_check:
      description: Claims with the figure given, the figure derived, a C(verdict) and its C(reason).
      type: list
      elements: dict
    explain:
      description: Every number that decides, with C(provenance) and C(arithmetic).
      type: list
      elements: dict
    stack:
      description:
        - The software stack with its C(verdict) (V(ok), V(refused) or V(unknown)), C(reasons) and C(checks); empty
          where O(stack) is.
      type: dict
    commands:
      description:
        - The audit of O(commands). C(outcome) is V(starts), V(does_not_start), V(hangs) or V(unknown), C(reasons) say
          why, C(layout) is what they would start, C(hosts) what was read; empty where O(commands) is.
      type: dict
    findings:
      description: What is wrong, doubtful or worth knowing; C(code), C(severity), C(message), C(fix).
      type: list
      elements: dict
summary:
  description: The plan as lines of text.
  returned: success
  type: list
  elements: str
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.pages.plan_page import render
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.report import summary
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import INPUTS


def main() -> None:
    """Plan, write the files on difference, and fail when an error stands among the findings."""
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "dict", "required": True},
            "model": {"type": "raw", "required": True},
            "model_path": {"type": "str"},
            "precision": {"type": "str", "default": "auto"},
            "parallel": {"type": "dict", "default": {}},
            "layout": {"type": "dict", "default": {}},
            "engine": {"type": "dict", "required": True},
            "workload": {"type": "dict", "required": True},
            "inventory": {"type": "dict"},
            "objectives": {"type": "list", "elements": "dict"},
            "search": {"type": "dict"},
            "stack": {"type": "dict"},
            "claims": {"type": "raw"},
            "commands": {"type": "dict"},
            "dest": {"type": "path"},
            "page": {"type": "path"},
        },
        supports_check_mode=True,
    )
    plan = make_plan({name: module.params[name] for name in INPUTS})
    result: dict[str, Any] = {"changed": False, "plan": plan.as_dict()}
    if module.params["page"]:
        write(module, module.params["page"], render(result["plan"]), result)
    if plan.errors:
        lines = "\n".join(f"- {finding}" for finding in plan.errors)
        module.fail_json(msg=f"No plan: {len(plan.errors)} error(s).\n{lines}", **result)
    result["summary"] = summary(plan)
    if module.params["dest"]:
        write(module, module.params["dest"], json.dumps(result["plan"], indent=2) + "\n", result)
    module.exit_json(**result)


def write(module: AnsibleModule, dest: str, text: str, result: dict[str, Any]) -> None:
    """Write one file and add to the result what changed; two files' differences are a list."""
    try:
        written = write_on_difference(module, dest, text)
    except OSError as problem:
        module.fail_json(msg=f"{dest}: {problem.strerror}", **result)
    result["changed"] = result["changed"] or written["changed"]
    if written["changed"]:
        result["diff"] = [result["diff"], written["diff"]] if "diff" in result else written["diff"]


def write_on_difference(module: AnsibleModule, dest: str, text: str) -> dict[str, Any]:
    """Write the file, or in check mode predict it, where its content differs; returns ``changed`` and ``diff``."""
    before = read_text(dest)
    if before == text:
        return {"changed": False}
    if not module.check_mode:
        Path(dest).parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        module.atomic_move(temporary, str(Path(dest).absolute()))
    return {
        "changed": True,
        "diff": {"before": before or "", "after": text, "before_header": dest, "after_header": dest},
    }


def read_text(path: str) -> str | None:
    """A file's content, or ``None`` where there is none or it is no text."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


if __name__ == "__main__":
    main()
