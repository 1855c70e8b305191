"""What roles say is put together once, and keys lie where the gathering has them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.bundle_needs import bundle_needs

ENGINE = {"lock": "cpu.txt", "python": "3.11", "text": "vllm==1", "sha256": "a"}
SOURCE = {
    "key": "https://vendor/key",
    "key_path": "/etc/apt/keyrings/key.asc",
    "fingerprints": ["A"],
    "files": [{"path": "/etc/apt/sources.list.d/v.list", "content": "deb [signed-by=/etc/apt/keyrings/key.asc] u /"}],
}
NODE: list[dict[str, Any]] = [
    {"packages": ["gcc", "dkms"], "files": [{"path": "/a", "sha256": "b"}]},
    {
        "sets": [{"name": "driver", "version": "550"}, {"name": "dkms"}, {"name": "free", "version": ""}],
        "source": SOURCE,
    },
    {"packages": [], "source": {}, "engine": ENGINE},
]


def test_each_thing_comes_once() -> None:
    found = bundle_needs({"node-0": NODE, "node-1": NODE}, "/srv/lists")
    assert found["asked"] == ["dkms", "driver=550", "free", "gcc"]
    assert found["names"] == ["dkms", "driver", "free", "gcc"]
    assert found["files"] == [{"path": "/a", "sha256": "b"}]
    assert found["sources"] == [SOURCE]
    assert found["source_files"] == {
        "/etc/apt/sources.list.d/v.list": "deb [signed-by=/srv/lists/etc/apt/keyrings/key.asc] u /"
    }
    assert found["engines"] == [{"lock": "cpu.txt", "python": "3.11", "sha256": "a"}]
    assert found["locks"] == {"cpu.txt": "vllm==1"}
    assert found["firsts"] == ["node-0"]


def test_each_lock_has_a_first_host() -> None:
    other = [{"engine": {**ENGINE, "lock": "cuda.txt", "sha256": "c"}}]
    found = bundle_needs({"node-0": NODE, "node-1": other, "node-2": other})
    assert found["firsts"] == ["node-0", "node-1"]
    assert set(found["locks"]) == {"cpu.txt", "cuda.txt"}


def test_an_entry_that_is_none_is_said_so() -> None:
    with pytest.raises(AnsibleFilterError, match="moefleet_needs"):
        bundle_needs({"node-0": [{"sets": ["driver"]}]})
