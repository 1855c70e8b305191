"""Names lead to data addresses, and no host's own name to itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import hosts_file

DATA = Path(__file__).resolve().parents[2] / "data" / "host_network"
CAPTURED = (DATA / "V26_etc_hosts.txt").read_text(encoding="utf-8")
NAMES = {"gpu-a01": "10.77.3.21", "gpu-a02": "10.77.3.22"}


def test_debians_line_for_the_own_name_is_mended() -> None:
    """gpu-a02 was 127.0.1.1: its ranks told the others to look for them on themselves."""
    assert hosts_file.resolves_to(CAPTURED, "gpu-a02") == ["127.0.1.1"]
    after = hosts_file.wanted(CAPTURED, NAMES)
    assert hosts_file.resolves_to(after, "gpu-a02") == ["10.77.3.22"]
    assert hosts_file.resolves_to(after, "gpu-a02.lab.example") == ["10.77.3.22"], "the full name goes with it"
    assert "127.0.1.1" not in after


def test_what_else_is_there_stays() -> None:
    after = hosts_file.wanted(CAPTURED, NAMES)
    assert after == (
        "127.0.0.1 localhost\n10.77.3.22 gpu-a02-roce\n"
        "# BEGIN moefleet\n10.77.3.21 gpu-a01\n10.77.3.22 gpu-a02.lab.example gpu-a02\n# END moefleet\n"
    )


def test_a_second_run_changes_nothing() -> None:
    once = hosts_file.wanted(CAPTURED, NAMES)
    assert hosts_file.wanted(once, NAMES) == once


def test_a_line_with_other_names_keeps_them_and_its_comment() -> None:
    content = "10.0.0.9 mirror gpu-a01 build # by hand\n"
    after = hosts_file.wanted(content, {"gpu-a01": "10.77.3.21"})
    assert after.splitlines()[0] == "10.0.0.9 mirror build # by hand"


def test_without_names_the_block_goes() -> None:
    once = hosts_file.wanted("127.0.0.1 localhost\n", NAMES)
    assert hosts_file.wanted(once, {}) == "127.0.0.1 localhost\n"


def test_names_of_both_families_are_in_order_of_their_addresses() -> None:
    after = hosts_file.wanted("", {"b": "10.0.0.10", "a": "10.0.0.9", "c": "fd00::1"})
    assert after.splitlines()[1:-1] == ["10.0.0.9 a", "10.0.0.10 b", "fd00::1 c"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"gpu-a02": "127.0.1.1"}, "gpu-a02: 127.0.1.1 is loopback"),
        ({"gpu-a02": "10.77"}, "gpu-a02: '10.77' is no address"),
        ({"gpu a02": "10.77.3.22"}, "'gpu a02' is no host name"),
        ({"localhost": "10.77.3.22"}, "'localhost' is no host name"),
    ],
)
def test_names_that_would_do_harm_are_refused(names: dict[str, str], words: str) -> None:
    assert words in "; ".join(hosts_file.problems(names))


def test_cloud_init_that_writes_the_file_anew_is_found(tmp_path: Path) -> None:
    assert hosts_file.rewritten_at_boot(tmp_path) == ""
    (tmp_path / "etc/cloud/cloud.cfg.d").mkdir(parents=True)
    (tmp_path / "etc/cloud/cloud.cfg").write_text("manage_etc_hosts: true\n", encoding="utf-8")
    assert hosts_file.rewritten_at_boot(tmp_path) == "/etc/cloud/cloud.cfg"
    (tmp_path / "etc/cloud/cloud.cfg.d/99.cfg").write_text("manage_etc_hosts: false\n", encoding="utf-8")
    assert hosts_file.rewritten_at_boot(tmp_path) == ""


WORD = st.sampled_from(["gpu-a01", "gpu-a02", "gpu-a01.lab", "mirror", "localhost", "x"])
LINE = st.one_of(
    st.builds(lambda words: "10.0.0.1 " + " ".join(words), st.lists(WORD, max_size=4)),
    st.sampled_from(["", "# comment", "# BEGIN moefleet", "# END moefleet", "127.0.1.1\tgpu-a02"]),
)


@given(st.lists(LINE, max_size=8))
def test_whatever_the_file_says_each_name_has_its_address_and_a_second_run_agrees(lines: list[str]) -> None:
    once = hosts_file.wanted("\n".join(lines), NAMES)
    for name, address in NAMES.items():
        assert hosts_file.resolves_to(once, name) == [address]
    assert hosts_file.wanted(once, NAMES) == once
