"""A user's own claims: how they are read, judged, and what stands in the way of those beyond a bound."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.claims import Check
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.document import CLAIMS
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.formula import evaluate, filled, number
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.given import check_claims
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.quantities import QUANTITIES
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.reading import read_claims
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.subject import CONDITIONS, Subject
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.units import UNITS, converted, units_like
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import deployment, make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request
from tests.unit.planner.conftest import REFERENCE, Reference, changed


def subject_of(changes: dict[str, Any] | None = None) -> Subject:
    request = read_request(changed(REFERENCE, changes or {}), [])
    case = deployment(request, 32, [])
    assert case is not None
    return Subject(case, request.cluster, request.cluster.gpu)


SUBJECT = subject_of()


def judged(*claims: dict[str, Any], subject: Subject = SUBJECT) -> list[Check]:
    findings: list[Finding] = []
    checks = check_claims(list(claims), subject, findings)
    assert not [item for item in findings if item.severity == "error"], findings
    return checks


def refused(raw: Any) -> list[Finding]:
    findings: list[Finding] = []
    check_claims(raw, SUBJECT, findings)
    return findings


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ({"quantity": "total_parameters", "value": 671, "unit": "billion parameters"}, "holds"),
        ({"quantity": "total_parameters", "value": 671e9}, "holds"),
        ({"quantity": "active_parameters", "value": 17, "unit": "billion parameters"}, "wrong"),
        ({"quantity": "weights_gb_per_gpu", "value": 44.1}, "holds"),
        ({"quantity": "weights_gb_per_gpu", "value": 41.1, "unit": "GiB"}, "holds"),
        ({"quantity": "weights_gb_per_gpu", "value": 42.1, "conditions": {"precision": "bf16"}}, "wrong"),
        ({"quantity": "weights_gb_per_gpu", "value": 40, "relation": "at_most"}, "wrong"),
        ({"quantity": "weights_gb_per_gpu", "value": 50, "relation": "at_most"}, "holds"),
        ({"quantity": "kv_bytes_per_token", "value": 70272, "tolerance": 0.001}, "holds"),
        ({"quantity": "kv_bytes_per_token", "value": 35136, "conditions": {"kv_cache_dtype": "fp8"}}, "holds"),
        ({"quantity": "kv_cache_gb_total", "value": 460.5}, "holds"),
        ({"quantity": "experts_per_gpu", "value": 8, "conditions": {"redundant_experts": 0}}, "holds"),
        ({"quantity": "experts_per_gpu", "value": 8}, "wrong"),
        ({"quantity": "flops_per_token", "value": 73, "unit": "GFLOP"}, "holds"),
        ({"quantity": "checkpoint_gb", "value": 689}, "holds"),
        ({"quantity": "load_seconds", "value": 551}, "holds"),
        ({"quantity": "load_seconds", "value": 55, "conditions": {"storage_gbit_s": 100}}, "holds"),
        ({"quantity": "sessions_capacity", "value": 200, "relation": "at_least"}, "holds"),
        ({"quantity": "network_bound_tokens_s", "value": 2552}, "holds"),
        ({"quantity": "network_bound_tokens_s", "value": 35000}, "impossible"),
        ({"quantity": "network_bound_tokens_s", "value": 35000, "conditions": {"nic_gbit_s": 400}}, "wrong"),
        ({"quantity": "network_bound_tokens_s", "value": 30000, "relation": "at_most"}, "holds"),
        ({"quantity": "nic_seconds", "value": 100, "unit": "us", "conditions": {"bytes": 1e6}}, "impossible"),
        ({"quantity": "nic_seconds", "value": 320, "unit": "us", "conditions": {"bytes": 1e6}}, "holds"),
        ({"quantity": "nic_seconds", "value": 1}, "not_shown"),
        ({"quantity": "decode_tokens_s", "value": 35000, "relation": "at_least"}, "impossible"),
        ({"quantity": "decode_tokens_s", "value": 35, "unit": "k tokens/s"}, "impossible"),
        ({"quantity": "ttft_ms", "value": 0.2, "unit": "s", "conditions": {"input_tokens": 4096}}, "impossible"),
        ({"quantity": "tpot_ms", "value": 5}, "impossible"),
    ],
)
def test_verdicts(claim: dict[str, Any], verdict: str) -> None:
    (found,) = judged(claim)
    assert found.verdict == verdict, found


@pytest.mark.parametrize("quantity", [name for name, item in QUANTITIES.items() if item.expected is not None])
def test_an_estimate_is_judged_by_its_range(quantity: str) -> None:
    of = QUANTITIES[quantity].expected
    assert of is not None
    expected = of(SUBJECT)
    assert expected is not None

    def verdicts(value: float) -> list[str]:
        claims = [{"quantity": quantity, "value": value, "relation": way} for way in ("equals", "at_least", "at_most")]
        return [item.verdict for item in judged(*claims)]

    times = quantity.startswith(("ttft", "tpot"))
    assert verdicts(expected.likely) == ["holds", "not_shown", "not_shown"]
    assert verdicts(expected.low / 3) == (
        ["impossible", "holds", "impossible"] if times else ["wrong", "holds", "wrong"]
    )
    assert verdicts(expected.high * 3) == (
        ["wrong", "wrong", "holds"] if times else ["impossible", "impossible", "holds"]
    )


def test_a_throughput_beyond_the_ports_names_the_limit_the_ports_and_the_devices() -> None:
    (found,) = judged({"quantity": "decode_tokens_s", "value": 35000, "relation": "at_least"})
    assert "limited by the ports: 1.224 MB a token through 25 Gb/s a host" in found.reason
    assert (
        "343 with allgather_reducescatter, 207 with deepep_high_throughput, 529 with deepep_low_latency" in found.reason
    )
    assert "memory bandwidth allows 19,102 tokens/s" in found.reason
    assert "512 devices" in found.reason


def test_with_the_ports_it_asks_for_the_ports_are_no_longer_what_forbids_it() -> None:
    claim = {"quantity": "decode_tokens_s", "value": 15000, "conditions": {"backend": "deepep_high_throughput"}}
    (found,) = judged(claim)
    rate = float(found.reason.split("Gb/s a host: ")[1].split(" ")[0])
    faster = {**claim["conditions"], "nic_gbit_s": rate + 1}  # type: ignore[dict-item]
    assert judged({**claim, "conditions": faster})[0].verdict != "impossible"


def test_a_first_token_beyond_the_ports_names_the_rate_that_would_do() -> None:
    (ports,) = judged(
        {"quantity": "ttft_ms", "value": 1000, "relation": "at_most", "conditions": {"input_tokens": 4096}}
    )
    assert "through 25 Gb/s a host; 41 Gb/s would do" in ports.reason
    (own,) = judged({"quantity": "ttft_ms", "value": 100, "conditions": {"input_tokens": 4096}})
    assert "the prompt's own computation" in own.reason


def test_its_own_arithmetic_is_reproduced() -> None:
    (same,) = judged({"quantity": "weights_gb_per_gpu", "value": 42.1, "arithmetic": "21.03 * 2"})
    assert same.verdict == "holds"
    assert same.reproduced == pytest.approx(42.06)
    (other,) = judged({"quantity": "weights_gb_per_gpu", "value": 44.1, "arithmetic": "21.03 * 3"})
    assert other.verdict == "inconsistent"
    assert "its own arithmetic gives 63.09" in other.reason


def test_a_figure_is_shown_in_the_unit_of_the_claim() -> None:
    (found,) = judged({"quantity": "load_seconds", "value": 9, "unit": "min", "section": "7", "claim": "loading"})
    assert found.as_dict() == {
        "section": "7",
        "claim": "loading",
        "document": 9.0,
        "derived": pytest.approx(9.18, rel=0.001),
        "verdict": "holds",
        "reason": "",
        "reproduced": None,
        "unit": "min",
        "assumption": "",
    }


def test_claims_not_borne_out_are_one_warning() -> None:
    findings = refused(
        [
            {"quantity": "layers", "value": 61},
            {"quantity": "layers", "value": 1},
            {"quantity": "nic_seconds", "value": 1},
        ]
    )
    assert [(item.code, item.severity) for item in findings] == [("claims.not_borne_out", "warning")]
    assert findings[0].message == "1 of 3 claims are not borne out: layers equals 1 (wrong)"


@pytest.mark.parametrize(
    ("raw", "code", "named"),
    [
        (7, "input.not_a_mapping", "claims"),
        ([3], "input.not_a_mapping", "claims[0]"),
        ({"claims": 3}, "input.not_a_list", "claims.claims"),
        ({"documents": True}, "input.unknown_key", "'documents'"),
        ({"document": "perhaps"}, "input.not_a_boolean", "claims.document"),
        ([{"value": 1}], "input.missing", "claims[0].quantity"),
        ([{"quantity": "layers"}], "input.missing", "claims[0].value"),
        ([{"quantity": "layer", "value": 1}], "claims.unknown", "claims[0].quantity"),
        ([{"quantity": "layers", "value": "many"}], "input.not_a_number", "claims[0].value"),
        ([{"quantity": "layers", "value": True}], "input.not_a_number", "claims[0].value"),
        ([{"quantity": "layers", "value": float("nan")}], "input.not_a_number", "claims[0].value"),
        ([{"quantity": "layers", "value": 1, "tolerance": -1}], "input.out_of_range", "claims[0].tolerance"),
        ([{"quantity": "layers", "value": 1, "relation": "about"}], "claims.unknown", "claims[0].relation"),
        ([{"quantity": "layers", "value": 1, "figure": 1}], "input.unknown_key", "'figure'"),
        ([{"quantity": "tpot_ms", "value": 1, "unit": "GB"}], "claims.unit", "claims[0].unit"),
        ([{"quantity": "layers", "value": 1, "arithmetic": "__import__('os')"}], "claims.arithmetic", "arithmetic"),
        ([{"quantity": "layers", "value": 1, "arithmetic": "1 / 0"}], "claims.arithmetic", "arithmetic"),
        ([{"quantity": "layers", "value": 1, "arithmetic": "9 ** 9 ** 9"}], "claims.arithmetic", "arithmetic"),
        ([{"quantity": "layers", "value": 1, "arithmetic": "(0 - 8) ** 0.5"}], "claims.arithmetic", "arithmetic"),
        ([{"quantity": "layers", "value": 1, "conditions": {"gpu": 1}}], "input.unknown_key", "'gpu'"),
        ([{"quantity": "layers", "value": 1, "conditions": {"gpus": 0}}], "input.out_of_range", "conditions.gpus"),
        ([{"quantity": "layers", "value": 1, "conditions": {"gpus": 10**8}}], "input.out_of_range", "conditions.gpus"),
        (
            [{"quantity": "layers", "value": 1, "conditions": {"precision": "fp9"}}],
            "claims.unknown",
            "conditions.precision",
        ),
        (
            [{"quantity": "layers", "value": 1, "conditions": {"version": "new"}}],
            "claims.unknown",
            "conditions.version",
        ),
        (
            [{"quantity": "layers", "value": 1, "conditions": {"backend": "fast"}}],
            "claims.unknown",
            "conditions.backend",
        ),
        ([{"quantity": "layers", "value": 1, "conditions": {"pipeline": 62}}], "claims.stages", "pipeline 62"),
        ("/nowhere/claims.yml", "claims.unreadable", "/nowhere/claims.yml"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, code: str, named: str) -> None:
    findings = refused(raw)
    assert code in [item.code for item in findings]
    assert any(named in item.message for item in findings if item.code == code)


def test_all_that_is_wrong_is_said_at_once() -> None:
    findings = refused([{"quantity": "x", "value": "y", "unit": "z"}, {"quantity": "layers", "value": 61}, 5])
    assert [item.code for item in findings] == ["claims.unknown", "input.not_a_number", "input.not_a_mapping"]


@pytest.mark.parametrize("raw", [None, "", False, [], {}, {"document": False}])
def test_nothing_is_checked_unless_asked(raw: Any) -> None:
    findings: list[Finding] = []
    assert check_claims(raw, SUBJECT, findings) == []
    assert not findings


def test_the_document_and_ones_own_claims_together() -> None:
    own = [{"quantity": "layers", "value": 61}]
    assert len(check_claims("document", SUBJECT, [])) == len(CLAIMS)
    assert len(check_claims({"document": True, "claims": own}, SUBJECT, [])) == len(CLAIMS) + 1


YAML = """
claims:
  - claim: weights of a device
    quantity: weights_gb_per_gpu
    value: 42.1
    conditions: {precision: bf16}
"""


def test_claims_from_a_file(write: Callable[[str, str], str]) -> None:
    path = write("vendor.yml", YAML)
    for raw in (path, {"file": path}):
        (found,) = check_claims(raw, SUBJECT, [])
        assert (found.claim, found.verdict) == ("weights of a device", "wrong")
    as_list = write("vendor.json", json.dumps([{"quantity": "layers", "value": 61}]))
    assert [item.verdict for item in check_claims(as_list, SUBJECT, [])] == ["holds"]


@pytest.mark.parametrize("text", ["a: [", "- {quantity: layers, value: 61", "\x00"])
def test_a_file_that_cannot_be_read_is_named(write: Callable[[str, str], str], text: str) -> None:
    path = write("vendor.yml", text)
    findings: list[Finding] = []
    assert check_claims(path, SUBJECT, findings) == []
    assert [item.code for item in findings] == ["claims.unreadable"]
    assert path in findings[0].message


def test_a_file_of_something_else_is_refused(write: Callable[[str, str], str]) -> None:
    path = write("vendor.yml", "7")
    assert [item.code for item in refused(path)] == ["input.not_a_list"]


def test_without_pyyaml_a_json_file_is_read(write: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = write("vendor.json", json.dumps([{"quantity": "layers", "value": 61}]))
    assert len(read_claims(path, []).claims) == 1


def test_a_wrong_claim_is_an_error_of_the_plan_also_where_nothing_can_be_sized(reference: Reference) -> None:
    raw = [{"quantity": "layer", "value": 1}]
    for changes in ({"claims": raw}, {"claims": raw, "model": "nonsense"}):
        codes = [item.code for item in make_plan(reference(changes)).errors]
        assert "claims.unknown" in codes


def test_another_model_and_cluster_are_checked_alike(reference: Reference) -> None:
    plan = make_plan(
        reference(
            {
                "model": "qwen3-235b-a22b",
                "precision": "bf16",
                "cluster.gpu": "H200-141G",
                "parallel": {"tensor": 4},
                "claims": [
                    {"quantity": "weights_gib_per_gpu", "value": 109.54, "conditions": {"gpus": 4}},
                    {"quantity": "experts", "value": 128},
                ],
            }
        )
    )
    assert [item.verdict for item in plan.document_check] == ["holds", "holds"]


def test_every_quantity_has_a_unit_that_can_be_converted_or_none() -> None:
    for name, quantity in QUANTITIES.items():
        assert quantity.unit in UNITS, name
        assert quantity.limit is None or quantity.limit in QUANTITIES, name


@given(value=st.floats(1e-3, 1e12), unit=st.sampled_from(sorted(UNITS)), data=st.data())
def test_conversion_there_and_back_is_the_same(value: float, unit: str, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(units_like(unit)))
    assert converted(converted(value, unit, other), other, unit) == pytest.approx(value)


_ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["fp8", "bf16", "0.19.1"]),
)


@given(
    quantity=st.sampled_from(sorted(QUANTITIES)),
    value=_ANY,
    relation=st.sampled_from(["equals", "at_least", "at_most"]),
    conditions=st.dictionaries(st.sampled_from(sorted(CONDITIONS)), _ANY, max_size=4),
)
def test_no_claim_is_too_odd(quantity: str, value: Any, relation: str, conditions: dict[str, Any]) -> None:
    """Whatever is claimed is judged or refused by name."""
    findings: list[Finding] = []
    raw = [{"quantity": quantity, "value": value, "relation": relation, "conditions": conditions}]
    checks = check_claims(raw, SUBJECT, findings)
    assert len(checks) == 1 or findings


@given(st.text(alphabet="0123456789+-*/%(). eceilminax,", max_size=24))
def test_arithmetic_is_worth_a_number_or_refused(text: str) -> None:
    findings: list[Finding] = []
    check_claims([{"quantity": "layers", "value": 61, "arithmetic": text}], SUBJECT, findings)
    assert {item.code for item in findings} <= {"claims.arithmetic", "claims.not_borne_out", "input.unknown_key"}


def test_formulas() -> None:
    assert number("200 * 32768 * 512 * 61 * 2 * 2 / 1e9") == pytest.approx(818.728, rel=1e-6)
    assert number("-(7 // 2) + ceil(0.1) + max(1, 2) - min(3, 4) + 9 % 4 + 2 ** 3") == -3 + 1 + 2 - 3 + 1 + 8

    def lookup(name: str, given: Mapping[str, Any]) -> float | str:
        return "text" if name == "b" else 10.0 * given.get("layer", 1)

    assert evaluate("width(layer=3) / 2", lookup) == 15.0
    assert filled("{a / 3:.2f} and {b:}", lookup) == "3.33 and text"


def test_the_fewest_conditions_change_only_what_they_name() -> None:
    assert SUBJECT.under({}) is SUBJECT
    grown = SUBJECT.under({"gpus": 64})
    assert (grown.gpus, grown.spread.hosts, grown.model) == (64, 8, SUBJECT.model)
    assert SUBJECT.under({"gpus": 4}).spread.hosts == 1
    assert SUBJECT.under({"tensor": 8}).case.data == 4
    assert SUBJECT.under({"tensor": 8, "data": 2}).gpus == 16
