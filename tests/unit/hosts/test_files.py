"""Files: what was written is seen as it was wanted, and at every moment there is a whole one."""

from __future__ import annotations

import grp
import os
import pwd
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import files
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.files import Seen, Wanted

ME = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


def wanted(path: Path, content: str, mode: str = "0644") -> Wanted:
    return Wanted(str(path), content, mode, **ME)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["a\r\nb\r\n", "a\rb", "\ufeffa", "a\x85b"]),
    mode=st.sampled_from(["0644", "640", "0600", "755"]),
)
def test_what_was_written_is_as_wanted(tmp_path: Path, content: str, mode: str) -> None:
    """Also with line ends of other systems: else a second run would write it again, and again."""
    file = wanted(tmp_path / "file", content, mode)
    files.write(file)
    seen = files.see(file.path)
    assert not files.differs(file, seen), seen
    assert Path(file.path).read_bytes() == content.encode()
    assert not files.differs(file, replace(seen, content=content))


@pytest.mark.parametrize(
    ("name", "value"),
    [("content", "b\n"), ("content", "a\r\n"), ("content", "a"), ("mode", "0600"), ("owner", "bin"), ("group", "bin")],
)
def test_each_part_counts(tmp_path: Path, name: str, value: str) -> None:
    file = wanted(tmp_path / "file", "a\n")
    files.write(file)
    assert files.differs(replace(file, **{name: value}), files.see(file.path))


def test_special_bits_count(tmp_path: Path) -> None:
    file = wanted(tmp_path / "file", "a\n")
    files.write(file)
    Path(file.path).chmod(0o4644)
    assert files.differs(file, files.see(file.path))


def test_bytes_that_are_no_text_are_another_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"name=\xff\xfe\n")
    seen = files.see(str(path))
    assert files.differs(wanted(path, "name=\n"), seen)
    assert seen.content == "name=\\xff\\xfe\n"


def test_there_is_none(tmp_path: Path) -> None:
    nothing = Seen(None, None, None, None)
    assert files.see(str(tmp_path / "none")) == nothing
    assert files.differs(wanted(tmp_path / "none", ""), nothing), "an empty file is wanted and there is none"


@pytest.mark.parametrize("mode", ["420", "0o644", "rw-r--r--", "", "99", "00644"])
def test_modes_that_are_none_are_refused(mode: str) -> None:
    """420 is what YAML makes of an unquoted 0644; it is octal digits too, but no one means it."""
    if mode == "420":
        assert files.normal_mode(mode) == "0420"
        return
    with pytest.raises(ValueError, match="octal digits in quotes"):
        files.normal_mode(mode)


def test_new_directories_can_be_entered_whatever_the_umask(tmp_path: Path) -> None:
    """The service's user has to reach its file through them, and a hardened host's umask is 077."""
    before = os.umask(0o077)
    try:
        tmp_path.chmod(0o700)
        files.write(wanted(tmp_path / "etc" / "moefleet" / "vllm.env", "A=1\n", "0640"))
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "etc", tmp_path / "etc" / "moefleet")]
    assert modes == [0o700, 0o755, 0o755], "only the new ones are changed"
    assert (tmp_path / "etc" / "moefleet" / "vllm.env").stat().st_mode & 0o777 == 0o640


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    pages = {letter * 60_000 for letter in "ab"}
    files.write(wanted(path, "a" * 60_000))
    stop = threading.Event()
    torn: list[int] = []

    def read() -> None:
        while not stop.is_set():
            content = path.read_text(encoding="utf-8")
            if content not in pages:
                torn.append(len(content))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        files.write(wanted(path, sorted(pages)[turn % 2]))
    stop.set()
    reader.join()
    assert torn == []


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(wanted(path, "old\n"))
    with pytest.raises(KeyError):
        files.write(Wanted(str(path), "new\n", owner="nobody-has-this-name", group=ME["group"]))
    assert path.read_text(encoding="utf-8") == "old\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_are_set_before_the_file_is_there(tmp_path: Path) -> None:
    file = Wanted(str(tmp_path / "file"), "secret\n", "0600", "nobody", "nogroup")
    files.write(file)
    assert files.see(file.path) == Seen("secret\n", "0600", "nobody", "nogroup")
    os.chown(file.path, 54321, 54321)
    assert files.see(file.path).owner == "54321", "a number that has no name"
