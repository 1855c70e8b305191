"""The peak of the GPUs' memory, and their use: from answers of nvidia-smi, never where one can have passed unseen."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError, Result
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load import gpu_samples
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load.gpu_samples import Peak

START = datetime.datetime(2026, 11, 27, 12, 0, 0)  # noqa: DTZ001 - as nvidia-smi prints it
TOTAL = 97871


def after(seconds: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


def rows(*used: Sequence[int], every_s: float = 1.0, first_s: float = 0.0, busy: str = "50") -> str:
    """Answers of nvidia-smi, one for each entry, which has the MiB in use of each GPU; `busy`, the share of time."""
    return "".join(
        f"{after(first_s + every_s * place).strftime('%Y/%m/%d %H:%M:%S.%f')[:-3]}, {gpu}, {mib}, {TOTAL}, {busy}\n"
        for place, entry in enumerate(used)
        for gpu, mib in enumerate(entry)
    )


def test_the_peak_of_each_gpu_is_its_own() -> None:
    watched = gpu_samples.read(rows((800, 800), (880, 810), (820, 950), (810, 800)), 1, after(4))
    assert watched.peaks == (Peak(0, 880, TOTAL), Peak(1, 950, TOTAL))
    assert (watched.samples, watched.seconds, watched.longest_gap_s, watched.reason) == (4, 3.0, 1.0, "")


@pytest.mark.parametrize(
    ("text", "now_s", "said"),
    [
        ("", 5, "gave no answer while the load ran"),
        ("NVIDIA-SMI has failed because it couldn't communicate\n", 5, "couldn't communicate"),
        (rows((800,)), 60, "no answer for 60 s"),
        (rows((800,), (900,), every_s=40), 41, "no answer for 40 s"),
        (rows((800,)) + "Unable to determine the device handle\n" + rows((800,), first_s=30), 31, "device handle"),
        ("2026/11/27 12:00:00.000, 0, [N/A], 97871, 50\n", 1, "[N/A]"),
        ("27/11/2026 12:00:00, 0, 800, 97871, 50\n", 1, "no answer"),
        ("2026/11/27 12:00:00.000, 0, 800, 0, 50\n", 1, "no answer"),
    ],
)
def test_a_peak_that_can_have_passed_unseen_is_not_known(text: str, now_s: float, said: str) -> None:
    watched = gpu_samples.read(text, 1, after(now_s))
    assert watched.peaks is None
    assert said in watched.reason


def test_the_use_is_the_mean_of_all_answers() -> None:
    text = rows((800, 800), busy="80") + rows((800, 800), first_s=1, busy="41")
    assert gpu_samples.read(text, 1, after(2)).use_percent == 60.5


@pytest.mark.parametrize(
    ("text", "now_s"),
    [(rows((800,)) + rows((800,), first_s=1, busy="[N/A]"), 2), (rows((800,)), 60), ("", 1)],
    ids=["not told", "seldom", "never"],
)
def test_a_use_that_is_not_told_all_the_time_is_not_known(text: str, now_s: float) -> None:
    assert gpu_samples.read(text, 1, after(now_s)).use_percent is None


def test_a_single_answer_that_failed_is_no_gap() -> None:
    text = rows((800,)) + "Unable to determine the device handle\n" + rows((820,), first_s=2)
    assert gpu_samples.read(text, 1, after(3)).peaks == (Peak(0, 820, TOTAL),)


class Systemd:
    """systemd-run and systemctl: what was asked, and whether the unit runs."""

    def __init__(self, active: bool, start: Result | None = None) -> None:
        self.active, self.answer = active, start or Result(0, "")
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], timeout_s: float) -> Result:
        assert timeout_s > 0
        self.asked.append(" ".join(argv))
        if argv[0] == "systemd-run":
            return self.answer
        return Result(0, "active\n") if argv[1] == "is-active" and self.active else Result(3, "inactive\n")


def test_it_begins_anew_and_ends_by_itself(tmp_path: Path) -> None:
    output = tmp_path / "watch.csv"
    output.write_text("of an earlier run\n", encoding="ascii")
    systemd = Systemd(active=False)
    gpu_samples.start(2, 600, systemd, str(output))
    stop, run = systemd.asked
    assert stop == "systemctl stop moefleet-gpu-watch.service"
    assert {"--property=RuntimeMaxSec=600", f"--property=StandardOutput=file:{output}"} <= set(run.split())
    assert run.endswith("; sleep 2; done")
    assert not output.exists()
    with pytest.raises(ProbeError, match="no bus"):
        gpu_samples.start(2, 600, Systemd(active=False, start=Result(1, "", "no bus\n")), str(output))


def test_what_was_seen_is_collected_once(tmp_path: Path) -> None:
    output = tmp_path / "watch.csv"
    output.write_text(rows((800,), (810,)), encoding="ascii")
    watched = gpu_samples.collect(1, after(2), Systemd(active=True), str(output))
    assert watched.to_dict()["peaks"] == [{"index": 0, "used_mib": 810.0, "total_mib": float(TOTAL)}]
    assert not output.exists()
    again = gpu_samples.collect(1, after(2), Systemd(active=False), str(output))
    assert again.peaks is None
    assert "not watched" in again.reason


def test_one_that_ended_before_the_load_saw_no_peak(tmp_path: Path) -> None:
    output = tmp_path / "watch.csv"
    output.write_text(rows((800,), (810,)), encoding="ascii")
    watched = gpu_samples.collect(1, after(2), Systemd(active=False), str(output))
    assert (watched.peaks, watched.reason) == (None, "moefleet-gpu-watch.service ended before the load did")


def test_whether_there_are_gpus(tmp_path: Path) -> None:
    (tmp_path / "nvidiactl").touch()
    assert not gpu_samples.has_gpus(str(tmp_path))
    (tmp_path / "nvidia0").touch()
    assert gpu_samples.has_gpus(str(tmp_path))
