"""The filter memory_budget."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.memory_budget import FilterModule, memory_budget

REQUEST: dict[str, Any] = {
    "cluster": {"hosts": ["a", "b", "c", "d"], "gpus_per_host": 8, "gpu": "H20-96G"},
    "model": "deepseek-v3",
    "precision": "fp8",
    "parallel": {"data": 32, "redundant_experts": 32},
    "engine": {"version": "0.19.1", "max_model_len": 32768},
    "workload": {"sessions": 200},
}


def test_the_fullest_rank() -> None:
    rank = memory_budget(REQUEST)["per_rank"]
    assert rank["weights_bytes"] / 2**30 == pytest.approx(41.09, abs=0.005)
    assert rank["kv_bytes_per_token"] == 70_272
    assert rank["fits"] is True


def test_what_does_not_fit_is_said_and_is_no_failure() -> None:
    assert memory_budget({**REQUEST, "precision": "bf16"})["per_rank"]["fits"] is False


def test_a_layout_that_spans_hosts_still_has_a_budget() -> None:
    rank = memory_budget({**REQUEST, "parallel": {"pipeline": 4, "data": 8}})["per_rank"]
    assert rank["pipeline_stage"] == 2


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ([], "takes a mapping"),
        ({**REQUEST, "model": "deepseek-v9"}, "model.unknown"),
        ({**REQUEST, "modle": 1}, "did you mean 'model'"),
        ({}, "input.missing"),
    ],
)
def test_refused(request_: Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        memory_budget(request_)


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"memory_budget": memory_budget}
