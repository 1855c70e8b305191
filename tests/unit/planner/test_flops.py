"""FLOPs of a token, against the published arithmetic."""

from __future__ import annotations

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import find_model
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.flops import (
    decode_attention_flops,
    prefill_attention_flops,
    token_flops,
)

V3, _SERVED = find_model("deepseek-v3")


def test_deepseek_v3_token() -> None:
    found = token_flops(V3)
    assert found.total / 1e9 == pytest.approx(73.25, abs=0.005)
    assert found.routed / 1e9 == pytest.approx(40.87, abs=0.005)
    assert found.home / 1e9 == pytest.approx(32.38, abs=0.005)
    assert sum(value for name, value in found.as_dict().items() if name not in ("home", "total")) == found.total


def test_attention_in_decode_and_prefill() -> None:
    assert decode_attention_flops(V3, 1) / 1e6 == pytest.approx(16.99, abs=0.01)
    assert decode_attention_flops(V3, 32_768) / 1e9 == pytest.approx(557, abs=1)
    assert prefill_attention_flops(V3, 4096) / (4096**2 / 2) / 1e6 == pytest.approx(5.0, abs=0.01)


def test_sparse_attention_looks_no_further_than_its_indexer_chose() -> None:
    sparse, _served = find_model("deepseek-v3.2")
    assert decode_attention_flops(sparse, 32_768) < decode_attention_flops(V3, 32_768) / 3
    assert decode_attention_flops(sparse, 1024) > decode_attention_flops(V3, 1024)
    assert prefill_attention_flops(sparse, 32_768) < prefill_attention_flops(V3, 32_768)


def test_a_dense_model_spends_nothing_on_experts() -> None:
    dense, _served = find_model(
        {
            "model_type": "llama",
            "hidden_size": 64,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "num_hidden_layers": 2,
            "intermediate_size": 128,
            "vocab_size": 100,
        }
    )
    found = token_flops(dense)
    assert found.routed == found.shared == found.router == 0
    assert found.head >= 2 * 100 * 64
