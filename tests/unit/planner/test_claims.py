"""The reference document's claims: reproduced from its own arithmetic, judged against the planner's own figures."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims import document as claims_document
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.claims import (
    CEILING,
    EQUAL,
    FLOOR,
    HOLDS,
    IMPOSSIBLE,
    INCONSISTENT,
    NOT_SHOWN,
    VERDICTS,
    WRONG,
    Check,
    Claim,
    check,
    printed,
    same_digits,
    tally,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.document import CLAIMS, check_document
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.quantities import QUANTITIES, figure
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.subject import CONDITIONS, Subject
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import deployment, make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request
from tests.unit.planner.conftest import Reference

KEYS = ("section", "claim", "document", "derived", "verdict", "reason", "reproduced", "unit", "assumption")


def subject_of(raw: dict[str, Any]) -> Subject:
    request = read_request(raw, [])
    devices = len(request.cluster.hosts) * request.cluster.gpus_per_host
    case = deployment(request, devices, [])
    assert case is not None
    return Subject(case, request.cluster, request.cluster.gpu)


@pytest.fixture(scope="module")
def subject(reference: Reference) -> Subject:
    return subject_of(reference())


@pytest.fixture(scope="module")
def checks(subject: Subject) -> list[Check]:
    return check_document(subject)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def figures(text: str) -> list[float | str]:
    return [printed(part) for part in text.split(";")] if text else []


def test_every_claim_is_checked_once_and_named_once(checks: list[Check]) -> None:
    assert len(checks) == len(CLAIMS) == len({(item.section, item.claim) for item in checks})
    assert sum(tally(checks).values()) == len(checks)
    assert set(tally(checks)) == set(VERDICTS)


def test_each_claim_has_as_many_figures_as_formulas() -> None:
    for claim in CLAIMS:
        assert claim.document, claim
        assert len(claim.own) in (0, len(claim.document)), claim
        assert len(claim.derived) in (0, 1, len(claim.document)), claim


def test_the_documents_figures_follow_from_its_own_arithmetic_or_it_contradicts_itself(checks: list[Check]) -> None:
    for claim, item in zip(CLAIMS, checks):
        if not claim.own:
            continue
        numbers = [float(value) for value in listed(item.reproduced)]
        same = all(same_digits(text, value) for text, value in zip(claim.document, numbers))
        assert same or item.verdict in (INCONSISTENT, IMPOSSIBLE), item


def test_nothing_unknown_holds(checks: list[Check]) -> None:
    for item in checks:
        if item.verdict == HOLDS:
            assert item.derived is not None, item
        if item.derived is None:
            assert item.verdict in (NOT_SHOWN, INCONSISTENT), item


def test_every_claim_that_does_not_hold_says_why(checks: list[Check]) -> None:
    for item in checks:
        assert item.reason, item
        assert "?" not in item.reason, item
        assert "{" not in item.reason, item


def test_figures_of_the_cluster_are_not_typed_in() -> None:
    """What is right comes from the planner's quantities; a bare number is only what the claim itself implies."""
    bare = [claim for claim in CLAIMS for formula in claim.derived if not any(names(formula))]
    assert {claim.claim for claim in bare} == {
        "the most of its memory a device may use, against 92.6 of 96 GB",
        "the same in chunks of 4,096 tokens, and how much less in %",
        "at 25 Gb/s: all-to-all and tokens/s left, experts' latency more",
        *(f"at {rate} Gb/s: all-to-all and tokens/s left, experts' latency more" for rate in (20, 15, 10, 5)),
        "the bandwidth that an all-to-all's time means, 1 KB",
        "time of NVLink, 1 MB: expected, warning, failure",
        "samples for a 99th percentile",
        "length of the test with 1,000 prompts at 3.33/s",
        "rebalances in 1,000 steps",
    }


def names(formula: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(formula, mode="eval")):
        if isinstance(node, ast.Name) and node.id not in ("ceil", "min", "max"):
            yield node.id


def test_formulas_name_known_quantities_and_conditions() -> None:
    known = {*QUANTITIES, "since", "removed"}
    for claim in CLAIMS:
        placeholders = [match.group(1) for match in re.finditer(r"\{([^{}]+):[^{}:]*\}", claim.reason)]
        for formula in (*claim.derived, *placeholders):
            assert set(names(formula)) <= known, claim
            for node in ast.walk(ast.parse(formula, mode="eval")):
                if isinstance(node, ast.keyword):
                    assert node.arg in {*CONDITIONS, "flag"}, claim


def test_every_audited_figure_is_covered_and_derived(
    checks: list[Check], published: Callable[[str], list[dict[str, str]]]
) -> None:
    by_name = {(item.section, item.claim): (item, claim) for item, claim in zip(checks, CLAIMS)}
    rows = published("document_claims")
    assert len(rows) > 90
    for row in rows:
        item, claim = by_name[row["section"], row["claim"]]
        assert figures(";".join(text.replace(",", "") for text in claim.document)) == figures(row["document"]), row
        if row["right"]:
            wanted = row["right"].split(";")
            assert len(wanted) == len(listed(item.derived)), row
            assert all(agree(text, derived) for text, derived in zip(wanted, listed(item.derived))), (row, item)


def agree(text: str, derived: Any) -> bool:
    """Within 2 %, or the same to the digits that are given."""
    right = printed(text)
    if isinstance(right, str) or isinstance(derived, str):
        return bool(right == derived)
    return same_digits(text, derived) or derived == pytest.approx(right, rel=0.02)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("BF16 weights on a rank at EP=32", WRONG),
        ("KV cache of 200 x 32K with a width of 512: all, a device's", INCONSISTENT),
        ("decode with 200 sessions, against the ports with one copy to each host", IMPOSSIBLE),
        ("time of RDMA, 1 MB: expected, warning, failure", IMPOSSIBLE),
        ("time to the first token of 4,096 tokens", NOT_SHOWN),
        ("layers: all, with experts, dense", HOLDS),
        ("FLOPs of a token in three places", INCONSISTENT),
        ("first release with --enable-eplb", WRONG),
    ],
)
def test_verdicts(checks: list[Check], claim: str, verdict: str) -> None:
    assert [item.verdict for item in checks if item.claim == claim] == [verdict]


def test_the_throughput_claim_names_the_limit_and_the_ports_it_would_take(checks: list[Check]) -> None:
    found = next(item for item in checks if item.claim.endswith("against the ports with one copy to each host"))
    assert "25 Gb/s a host" in found.reason
    one_copy, all_copies = re.findall(r"(\d+) / (\d+)(?: Gb/s a host with one| without)", found.reason)
    assert [int(value) for value in one_copy] == pytest.approx([206, 294], rel=0.01)
    assert [int(value) for value in all_copies] == pytest.approx([529, 756], rel=0.01)


def test_on_faster_ports_the_throughput_claim_is_no_longer_impossible_but_still_not_shown(
    reference: Reference,
) -> None:
    found = check_document(subject_of(reference({"cluster.nic_gbit_s": 400, "cluster.nics_per_host": 4})))
    by_name = {item.claim: item.verdict for item in found}
    assert by_name["decode with 200 sessions, against the ports with one copy to each host"] == NOT_SHOWN
    # Memory still forbids it.
    assert by_name["decode with 200 sessions, against memory with FP8 weights, whatever the network"] == IMPOSSIBLE


def test_without_a_port_speed_nothing_of_the_network_holds(reference: Reference) -> None:
    found = check_document(subject_of(reference({"cluster.nic_gbit_s": ...})))
    ports = next(item for item in found if item.claim == "a host's ports on the data network")
    assert (ports.verdict, ports.derived) == (NOT_SHOWN, None)
    assert "cannot be derived" in ports.reason


def test_the_layout_and_precision_of_the_plan_do_not_matter(subject: Subject, checks: list[Check]) -> None:
    other = subject.under({"precision": "bf16", "tensor": 4, "sessions": 3, "kv_cache_dtype": "fp8"})
    assert check_document(other) == checks


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({}, ("model", "size", "device")),
        ({"cluster.gpu": "H200-141G"}, ("model", "size")),
        ({"cluster.gpus_per_host": 4}, ("model",)),
        ({"model": "deepseek-r1"}, ("model", "size", "device")),
        ({"model": "qwen3-235b-a22b"}, ()),
        ({"model": "deepseek-v3.2"}, ()),
    ],
)
def test_claims_that_do_not_apply_are_left_out(
    reference: Reference, changes: dict[str, Any], scopes: tuple[str, ...]
) -> None:
    subject = subject_of(reference(changes))
    assert claims_document.scopes(subject) == scopes
    assert len(check_document(subject)) == sum(claim.scope in scopes for claim in CLAIMS)


def test_a_check_has_the_documented_keys(checks: list[Check]) -> None:
    assert tuple(checks[0].as_dict()) == KEYS


def test_a_released_version_too_old_to_have_been_examined_is_not_shown(checks: list[Check]) -> None:
    found = next(item for item in checks if item.claim == "first release with --tensor-parallel-size")
    assert (found.verdict, found.derived) == (NOT_SHOWN, None)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (Claim("", "", ("61",), derived=("layers",)), HOLDS),
        (Claim("", "", ("60",), derived=("layers",), tolerance=0.001), WRONG),
        (Claim("", "", ("61",), own=("60 + 2",), derived=("layers",)), INCONSISTENT),
        (Claim("", "", ("61",), derived=("layers",), contradicts=True), INCONSISTENT),
        (Claim("", "", ("62",), derived=("layers",), relation=CEILING), IMPOSSIBLE),
        (Claim("", "", ("60",), derived=("layers",), relation=CEILING), NOT_SHOWN),
        (Claim("", "", ("60",), derived=("layers",), relation=FLOOR), IMPOSSIBLE),
        (Claim("", "", ("62",), derived=("layers",), relation=FLOOR), NOT_SHOWN),
        (Claim("", "", ("61", "7"), derived=("layers",), relation=EQUAL), WRONG),
        (Claim("", "", ("61",), own=("61",)), NOT_SHOWN),
        (Claim("", "", ("60",), own=("1",), derived=("layers",), relation=FLOOR), IMPOSSIBLE),
        (Claim("", "", ("0.9.2",), derived=("since(flag='--enable-eplb')",)), HOLDS),
        (Claim("", "", ("0.9.1",), derived=("since(flag='--enable-eplb')",)), WRONG),
    ],
)
def test_the_verdict_is_computed(subject: Subject, claim: Claim, verdict: str) -> None:
    assert check(claim, lambda name, given: figure(subject, name, given)).verdict == verdict


@pytest.mark.parametrize(
    ("text", "value", "same"),
    [
        ("818.6", 818.728, False),
        ("818.7", 818.728, True),
        ("42.1", 42.06, True),
        ("1,448", 1448.0, True),
        ("13.63", 13.625, True),
        ("640", 638.8, False),
        ("0.6.0", 0.6, False),
    ],
)
def test_a_printed_figure_is_compared_to_its_digits(text: str, value: float, same: bool) -> None:
    assert same_digits(text, value) is same


def test_quantities_agree_with_published_arithmetic(subject: Subject) -> None:
    """First principles worked out by hand; the planner's rooms have their own tests."""
    asked = replace(claims_document.document_subject(subject))

    def of(name: str, **conditions: Any) -> Any:
        return figure(asked, name, conditions)

    assert of("checkpoint_gb", precision="fp8") == pytest.approx(688.586727753, rel=1e-4)  # the published index
    assert of("load_seconds", precision="fp8") == pytest.approx(551, rel=0.002)
    assert of("load_seconds_shared", precision="fp8") == pytest.approx(37 * 60, rel=0.01)
    assert of("rebalance_gb_per_host", precision="fp8") == pytest.approx(20.4, rel=0.005)
    assert of("alltoall_seconds", bytes=1e6) == pytest.approx(1.92e-3)
    assert of("alltoall_cluster_gb_s") == pytest.approx(0.520833 * 31, rel=1e-4)
    assert of("prompt_network_s", input_tokens=4096, precision="fp8", backend="deepep_high_throughput") == (
        pytest.approx(3.86, rel=0.01)
    )
    assert of("prompt_matrices_s", input_tokens=4096) == pytest.approx(0.93, rel=0.01)
    assert of("prompt_attention_s", input_tokens=4096) == pytest.approx(0.28, rel=0.02)
    assert of("compute_bound_tokens_s") == pytest.approx(32 / ((73.25e9 + 557e9) / 148e12), rel=0.01)
    assert of("experts_per_gpu", gpus=24, redundant_experts=8) == 11


def test_the_plan_carries_the_check_only_when_asked(reference: Reference) -> None:
    assert make_plan(reference()).as_dict()["document_check"] == []
    asked = make_plan(reference({"claims": "document"})).as_dict()["document_check"]
    assert len(asked) == len(CLAIMS)
    assert tuple(asked[0]) == KEYS
