"""Lock files: what each Python gets of them, and what is no lock."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.stack import facts
from ansible_collections.moefleet.serving.plugins.module_utils.planner.versions import version
from ansible_collections.moefleet.serving.plugins.module_utils.wheels import lock
from ansible_collections.moefleet.serving.plugins.module_utils.wheels.judgement import problems
from ansible_collections.moefleet.serving.plugins.module_utils.wheels.lock import LockError

LOCKS = Path(__file__).resolve().parents[3] / "roles" / "vllm_env" / "files" / "locks"
DIGEST = "sha256:" + "0" * 64
SAMPLE = f"""\
# An environment.
# python: 3.10 3.11 3.12
one==1.0 \\
    --hash={DIGEST}
two[extra]==2.0 ; python_full_version < '3.11' \\
    --hash={DIGEST} \\
    --hash=sha256:{"1" * 64}
Two==2.1 ; python_full_version >= '3.11' --hash={DIGEST}
three==3.0 ; python_full_version == '3.12.*' --hash={DIGEST}
"""


def shipped(name: str) -> lock.Lock:
    """A lock of the role vllm_env."""
    return lock.read((LOCKS / f"{name}.txt").read_text(encoding="utf-8"), name)


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ("3.10", {"one": "1.0", "two": "2.0"}),
        ("3.11", {"one": "1.0", "two": "2.1"}),
        ("3.12", {"one": "1.0", "two": "2.1", "three": "3.0"}),
    ],
)
def test_each_python_gets_its_own(python: str, expected: dict[str, str]) -> None:
    assert lock.versions(lock.narrowed(lock.read(SAMPLE), python)) == expected


def test_what_is_rendered_is_a_lock_with_the_same_hashes_and_no_markers() -> None:
    narrow = lock.narrowed(lock.read(SAMPLE), "3.10")
    again = lock.read(lock.rendered(narrow))
    assert [(entry.name, entry.hashes) for entry in again.entries] == [
        (entry.name, entry.hashes) for entry in narrow.entries
    ]
    assert all(not entry.marker for entry in again.entries)


def test_the_first_python_that_the_lock_is_for() -> None:
    assert lock.choose_python(lock.read(SAMPLE), ["3.9", "3.12", "3.11"]) == "3.12"


def test_no_python_that_the_lock_is_for() -> None:
    with pytest.raises(
        LockError, match=r"for Python 3\.10, 3\.11, 3\.12, the host's distribution has 3\.9: install one"
    ):
        lock.choose_python(lock.read(SAMPLE), ["3.9"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "names no distribution"),
        ("one==1.0\n", "has no hash"),
        (f"one>=1.0 --hash={DIGEST}\n", "no exact version"),
        (f"git+https://example.org/one --hash={DIGEST}\n", "no exact version"),
        ("-r other.txt\n", "no exact version"),
    ],
)
def test_no_lock(text: str, complaint: str) -> None:
    with pytest.raises(LockError, match=complaint):
        lock.read(text)


def test_a_marker_of_another_kind_is_refused() -> None:
    with pytest.raises(LockError, match="not about a Python's minor version"):
        lock.narrowed(lock.read(f"one==1 ; sys_platform == 'linux' --hash={DIGEST}"), "3.11")


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(LockError, match=r"gets One 2 and|gets One 1 and 2"):
        lock.narrowed(lock.read(f"one==1 --hash={DIGEST}\nOne==2 --hash={DIGEST}"), "3.11")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(LockError):
        lock.narrowed(lock.read(text), "3.11")


@pytest.mark.parametrize(("name", "release"), [("cuda12_4", "0.19.1"), ("cuda13", "0.33.0")])
def test_the_shipped_locks_are_the_planners_wheels_on_each_of_their_pythons(name: str, release: str) -> None:
    wheel = facts.find_wheel(version(release))
    assert wheel is not None
    found = shipped(name)
    for python in found.pythons:
        assert wheel.python[0] <= python < wheel.python[1]
        versions = lock.versions(lock.narrowed(found, f"{python[0]}.{python[1]}"))
        assert (versions["vllm"], versions["torch"]) == (release, wheel.torch)
        nccl = versions[f"nvidia-nccl-cu{wheel.cuda_major}"]
        assert nccl == facts.dotted(wheel.nccl)
        assert problems(versions, "H20-96G", facts.dotted(wheel.cuda)) == []


def test_the_shipped_lock_of_the_lab_is_for_its_python() -> None:
    assert shipped("cpu").pythons == ((3, 11),)


@pytest.mark.parametrize(
    ("versions", "gpu", "cuda", "complaint"),
    [
        ({"deep-ep": "1.0.0"}, "", "", "deep-ep on the index is a placeholder"),
        ({"deep-gemm": "1.0.0"}, "", "", "deep-gemm on the index is a placeholder"),
        ({"nvidia-cublas-cu12": "12.1.3.1"}, "H20-96G", "", "cuBLAS 12.1.3.1 ends with SIGFPE on the H20"),
        ({"nvidia-cublas-cu12": "1", "nvidia-cuda-runtime-cu13": "1"}, "", "", "two CUDA major versions"),
        ({"nvidia-nccl-cu13": "2.30.7"}, "", "12.8", "of CUDA 13, the plan's wheel is CUDA 12.8"),
    ],
)
def test_unfit_sets_are_named(versions: dict[str, str], gpu: str, cuda: str, complaint: str) -> None:
    found = problems(versions, gpu, cuda)
    assert len(found) == 1
    assert complaint in found[0]


def test_what_only_an_h20_suffers_from_is_no_problem_elsewhere() -> None:
    assert problems({"nvidia-cublas-cu12": "12.1.3.1"}, "H100", "12.1") == []
