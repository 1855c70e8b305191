"""Right answers: garbage fails, near ties and rounding pass, and without a reference nothing is known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers import ask, figures, model
from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers.compare import (
    Tolerance,
    compare,
    compare_all,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers.model import (
    Answer,
    Reference,
    Token,
)

REFERENCE = Answer(
    (54, 74),
    (
        Token(13, -2.227, ((10, -2.988), (11, -3.1))),
        Token(176, -2.512, ((17, -2.6), (18, -2.61), (19, -2.9))),
        Token(42, -3.188, ((72, -3.9),)),
    ),
)
TOLERANCE = Tolerance(0.2, 0.1)


def seen(*tokens: tuple[int, float]) -> Answer:
    """An engine's answer."""
    return Answer(REFERENCE.prompt, tuple(Token(*token) for token in tokens))


def reference(kind: str = model.COMPUTED) -> Reference:
    return Reference("c0ffee", kind, "transformers 5.19.0, float32", (REFERENCE,))


RIGHT = seen((13, -2.25), (176, -2.45), (42, -3.2))


def test_rounding_is_right() -> None:
    result = compare(REFERENCE, RIGHT, TOLERANCE, "engine 0")
    assert (len(result.differences), result.near_ties, result.faults) == (3, 0, ())
    assert result.worst == pytest.approx(0.062)


def test_garbage_is_named() -> None:
    garbage = seen((141, -2.87), (184, -2.84), (191, -2.93))
    result = compare(REFERENCE, garbage, TOLERANCE, "engine 5, prompt 1")
    assert result.faults == ("engine 5, prompt 1: token 1 is 141, the reference has 13",)


def test_the_right_token_with_a_wrong_probability_is_wrong() -> None:
    (fault,) = compare(REFERENCE, seen((13, -2.9), (176, -2.5), (42, -3.2)), TOLERANCE, "engine 0").faults
    assert "token 1 has the log-probability -2.900, the reference -2.227" in fault


def test_a_near_tie_may_go_either_way_and_ends_the_comparison() -> None:
    result = compare(REFERENCE, seen((13, -2.3), (17, -2.5), (999, -9.0)), TOLERANCE, "engine 0")
    assert (len(result.differences), result.near_ties, result.faults) == (1, 1, ())
    assert compare(REFERENCE, seen((13, -2.3), (18, -2.5)), TOLERANCE, "engine 0").near_ties == 1
    # The third is further away.
    assert compare(REFERENCE, seen((13, -2.3), (19, -2.5)), TOLERANCE, "engine 0").faults
    # The first token's second best is far behind: no tie.
    assert compare(REFERENCE, seen((10, -2.5)), TOLERANCE, "engine 0").faults
    # Close, but not one of the two.
    assert compare(REFERENCE, seen((13, -2.3), (72, -2.5)), TOLERANCE, "engine 0").faults


def test_an_answer_that_ends_early_is_wrong() -> None:
    assert compare(REFERENCE, seen((13, -2.2)), TOLERANCE, "engine 0").faults == ("engine 0: 1 of 3 tokens came",)


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(-20, 0)), max_size=4))
def test_comparison_is_total(tokens: list[tuple[int, float]]) -> None:
    result = compare(REFERENCE, seen(*tokens), TOLERANCE, "engine 0")
    assert len(result.differences) <= 3
    assert bool(result.faults) or result.near_ties or len(result.differences) == 3


def test_one_wrong_engine_of_two_fails() -> None:
    answers = {0: [RIGHT], 1: [seen((141, -2.87), (184, -2.84), (191, -2.93))]}
    entry = figures.right_answers(reference(), "", answers, {}, TOLERANCE)
    evidence = entry["runs"][0]["evidence"]
    assert (entry["check"], evidence["verdict"], evidence["values"]["value"]) == ("right_answers", "fail", 50.0)
    assert evidence["reasons"][0].startswith("engine 1, prompt 1: token 1 is 141")
    alike = figures.answers_alike(answers, {}, TOLERANCE)["runs"][0]["evidence"]
    assert (alike["verdict"], alike["values"]["value"]) == ("fail", 50.0)


def test_all_right_passes_and_says_against_what() -> None:
    evidence = figures.right_answers(reference(), "", {0: [RIGHT]}, {}, TOLERANCE)["runs"][0]["evidence"]
    assert (evidence["verdict"], evidence["values"]["value"], evidence["values"]["tokens_compared"]) == (
        "pass",
        100.0,
        3,
    )
    assert evidence["reasons"] == ["reference: transformers 5.19.0, float32"]


def test_a_recorded_reference_does_not_claim_rightness() -> None:
    evidence = figures.right_answers(reference(model.RECORDED), "", {0: [RIGHT]}, {}, TOLERANCE)["runs"][0]["evidence"]
    assert "sameness over time, not rightness" in evidence["reasons"][0]


def test_without_a_reference_or_an_answer_nothing_is_known() -> None:
    evidence = figures.right_answers(None, "too large", {0: [RIGHT]}, {}, TOLERANCE)["runs"][0]["evidence"]
    assert (evidence["verdict"], evidence["values"]["value"]) == ("unknown", None)
    assert "too large" in evidence["reasons"][0]
    evidence = figures.right_answers(reference(), "", {0: [RIGHT]}, {1: "timed out"}, TOLERANCE)["runs"][0]["evidence"]
    assert evidence["verdict"] == "unknown"
    assert "engine 1 gave no answer: timed out" in evidence["reasons"]
    evidence = figures.answers_alike({}, {0: "x", 1: "x"}, TOLERANCE)["runs"][0]["evidence"]
    assert (evidence["verdict"], evidence["values"]["value"]) == ("unknown", None)


def test_a_single_engine_has_nobody_to_be_like() -> None:
    assert figures.answers_alike({0: [RIGHT]}, {}, TOLERANCE)["not_applicable"]


def test_an_engines_answer_is_read_as_token_ids() -> None:
    body = {
        "choices": [
            {
                "logprobs": {
                    "tokens": ["token_id:13", "token_id:176"],
                    "token_logprobs": [-2.25, -2.5],
                    "top_logprobs": [
                        {"token_id:13": -2.25, "token_id:10": -2.9, "token_id:11": -3.5},
                        {"token_id:176": -2.5},
                    ],
                }
            }
        ]
    }
    answer = ask.read_completion(json.dumps(body), (1,))
    assert answer.tokens == (Token(13, -2.25, ((10, -2.9), (11, -3.5))), Token(176, -2.5))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        '{"choices": []}',
        '{"choices": [{"logprobs": null}]}',
        '{"choices": [{"logprobs": {"tokens": ["the"], "token_logprobs": [-1.0]}}]}',
        '{"choices": [{"logprobs": {"tokens": [], "token_logprobs": []}}]}',
        '{"choices": [{"logprobs": {"tokens": ["token_id:3"], "token_logprobs": [null]}}]}',
    ],
)
def test_an_answer_without_token_ids_is_none(body: str) -> None:
    with pytest.raises(ask.NoAnswerError):
        ask.read_completion(body, (1,))


def test_a_reference_survives_its_file() -> None:
    assert model.read(json.dumps(reference().to_dict())) == reference()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other/1"},
        {"kind": "guessed"},
        {"answers": []},
        {"answers": [{"prompt": [1]}]},
        {"answers": [{"prompt": [1], "tokens": [{"id": "x", "logprob": -1}]}]},
        {"answers": [{"prompt": [1], "tokens": [{"id": 1, "logprob": -1, "others": [[2]]}]}]},
        {"answers": [{"prompt": ["a"], "tokens": [{"id": 1, "logprob": -1}]}]},
    ],
)
def test_what_is_no_reference_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(model.BadReferenceError):
        model.read(json.dumps({**reference().to_dict(), **change}))
    with pytest.raises(model.BadReferenceError):
        model.read("no JSON")


def test_many_small_differences_are_no_rounding() -> None:
    shifted = seen((13, -2.38), (176, -2.65), (42, -3.2))
    result = compare_all([REFERENCE], {4: [shifted]}, TOLERANCE)[4]
    assert result.faults == ("engine 4: half of its log-probabilities differ by more than 0.138",)


def test_total_of_comparisons() -> None:
    one = compare(REFERENCE, RIGHT, TOLERANCE, "engine 0")
    total = one + replace(one, differences=(), faults=("x",))
    assert (len(total.differences), total.worst, total.faults) == (3, one.worst, ("x",))
