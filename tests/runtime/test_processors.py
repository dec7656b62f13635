"""The number of threads a process should use."""

from pathlib import Path

import pytest

from flowc_runtime.processors import available_threads, processor_quota


def test_at_least_one_thread_is_available() -> None:
    assert available_threads() >= 1


@pytest.mark.parametrize(
    ("files", "membership", "quota"),
    [
        ({"cpu.max": "max 100000"}, "0::/", None),
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b", 4.0),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "300000 100000"}, "0::/a/b", 2.0),
        ({"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/a\n3:memory:/a", 0.5),
        ({"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, "4:cpu:/a", None),
    ],
    ids=["no limit", "limit", "limit above", "least of two", "version 1", "version 1 without limit"],
)
def test_quota_is_the_least_of_the_groups(tmp_path: Path, files: dict[str, str], membership: str, quota: float | None) -> None:
    for name, content in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")
    groups = tmp_path / "membership"
    groups.write_text(membership + "\n")
    assert processor_quota(groups, tmp_path) == quota


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert processor_quota(tmp_path / "absent", tmp_path) is None
