"""An image is made anew when it is older than its configuration, and only then."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.modules import initramfs

from .conftest import RunModule

KERNEL = "6.1.0-28-amd64"
CONF = "/etc/modprobe.d/moefleet-nouveau.conf"


class Tool:
    """update-initramfs and dracut: they write the image, or fail, or only say that they did."""

    def __init__(self, image: Path, status: int = 0, writes: bool = True) -> None:
        self.image, self.status, self.writes = image, status, writes
        self.ran: list[list[str]] = []

    def __call__(self, argv: Sequence[str], timeout_s: float = 0) -> Result:
        del timeout_s
        self.ran.append(list(argv))
        if self.writes:
            os.utime(self.image, (3000, 3000))
        return Result(self.status, "", "no space left on device" if self.status else "")


@pytest.fixture(params=["initrd.img-{}", "initramfs-{}.img"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An image that is newer than the configuration, where Debian or RHEL keep it."""
    for path, when in ((tmp_path / "boot" / request.param.format(KERNEL), 2000), (tmp_path / CONF[1:], 1000)):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (when, when))
    return next((tmp_path / "boot").iterdir())


def arguments(image: Path, **more: object) -> dict[str, object]:
    return {"kernels": [KERNEL, KERNEL], "files": [CONF], "root": str(image.parents[1]), **more}


def use(monkeypatch: pytest.MonkeyPatch, tool: Tool) -> Tool:
    monkeypatch.setattr(initramfs, "run", tool)
    return tool


def test_an_older_image_is_made_anew_once(image: Path, monkeypatch: pytest.MonkeyPatch, run_module: RunModule) -> None:
    os.utime(image, (500, 500))
    tool = use(monkeypatch, Tool(image))
    foretold = run_module(initramfs, check=True, **arguments(image))
    assert (foretold["changed"], foretold["rebuilt"], tool.ran) == (True, [str(image)], [])
    done = run_module(initramfs, **arguments(image))
    assert done == {**foretold, "invocation": done["invocation"]}
    debian = ["update-initramfs", "-u", "-k", KERNEL]
    rhel = ["dracut", "--force", str(image), KERNEL]
    assert tool.ran == [debian if image.name.startswith("initrd") else rhel]
    assert run_module(initramfs, **arguments(image))["changed"] is False


def test_a_newer_image_is_left_alone(image: Path, monkeypatch: pytest.MonkeyPatch, run_module: RunModule) -> None:
    tool = use(monkeypatch, Tool(image))
    result = run_module(initramfs, **arguments(image))
    assert (result["changed"], result["images"], tool.ran) == (False, [str(image)], [])


def test_a_file_that_is_being_written_counts(
    image: Path, monkeypatch: pytest.MonkeyPatch, run_module: RunModule
) -> None:
    use(monkeypatch, Tool(image))
    result = run_module(initramfs, check=True, **arguments(image, written=[CONF]))
    assert result["changed"]
    assert CONF in result["diff"]["after"]


def test_a_host_without_an_image_has_nothing_to_do(
    image: Path, monkeypatch: pytest.MonkeyPatch, run_module: RunModule
) -> None:
    tool = use(monkeypatch, Tool(image))
    image.unlink()
    result = run_module(initramfs, **arguments(image, written=[CONF]))
    assert (result["changed"], result["images"], tool.ran) == (False, [], [])


@pytest.mark.parametrize("ends", [(1, True, "no space left"), (0, False, "as old as before")])
def test_a_tool_that_did_not_do_it_is_an_error(
    image: Path, ends: tuple[int, bool, str], monkeypatch: pytest.MonkeyPatch, run_module: RunModule
) -> None:
    os.utime(image, (500, 500))
    status, writes, words = ends
    use(monkeypatch, Tool(image, status, writes))
    assert words in run_module(initramfs, **arguments(image))["msg"]
