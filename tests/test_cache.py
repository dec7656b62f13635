"""The cache of compiled code."""

from __future__ import annotations

import os
from pathlib import Path

from flowc.cache import Cache, key_of


def test_what_was_put_is_found_under_its_key_only(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new")
    cache.put(key_of("a"), b"code")
    assert cache.get(key_of("a")) == b"code"
    assert cache.get(key_of("b")) is None


def test_keys_tell_where_one_part_ends() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")


def test_a_damaged_entry_is_absent_and_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("k", b"code")
    (tmp_path / "k.flowc").write_bytes((tmp_path / "k.flowc").read_bytes()[:-1])
    assert cache.get("k") is None
    assert cache.entries() == []


def test_the_entries_unused_for_longest_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=300)
    for n, key in enumerate("abc"):
        cache.put(key, bytes(60))
        os.utime(tmp_path / f"{key}.flowc", (n, n))
    assert cache.get("a") is not None
    cache.put("d", bytes(60))
    assert cache.get("b") is None
    assert cache.get("a") is not None


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "folder")
    cache.put("k", b"code")
    assert cache.get("k") is None


def test_clearing_tells_how_many_there_were(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("k", b"code")
    assert cache.clear() == 1
    assert cache.entries() == []


def test_an_entry_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "k.flowc").mkdir()
    Cache(tmp_path).put("k", b"code")
    assert [path.name for path in tmp_path.iterdir()] == ["k.flowc"]
