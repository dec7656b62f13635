"""How many threads this process should use: its affinity, bounded by the quota of its control groups."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath


def available_threads() -> int:
    """At least 1; a quota of 1.5 processors counts as 2."""
    quota = processor_quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))
    return max(1, _affinity() if quota is None else min(_affinity(), -int(-quota // 1)))


def processor_quota(membership: Path, root: Path) -> float | None:
    """Processors' worth of time that the control groups (version 1 or 2) of this process allow, None where they set no limit.

    `membership` is the file that names the groups of the process, `root` where their file systems are mounted.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    limits: list[float] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            limits += [limit for folder in _folders(root, group) if (limit := _limit(folder / "cpu.max")) is not None]
        elif "cpu" in controllers.split(","):
            limits += [limit for folder in _folders(root / "cpu", group) if (limit := _limit_v1(folder)) is not None]
    return min(limits, default=None)


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folders(root: Path, group: str) -> list[Path]:
    """The folder of a group and those of the groups that hold it."""
    path = PurePosixPath(group.lstrip("/"))
    return [root / folder for folder in (path, *path.parents)]


def _limit(file: Path) -> float | None:
    words = _words(file)
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _limit_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return int(quota[0]) / int(period[0]) if quota and period and int(quota[0]) > 0 else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
