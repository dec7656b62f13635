"""Compiled code on disk, found again by the content it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIMIT = 1 << 30  # bytes kept; the entries unused for longest go first
MAGIC = b"flowc1\n"
SOURCES = (".py", ".lark", ".h")


@dataclass(frozen=True)
class Cache:
    """Entries in one folder, safe for any number of processes: each is written whole under another name, then renamed."""

    folder: Path
    limit: int = LIMIT

    def get(self, key: str) -> bytes | None:
        """The entry of that key, or None; one that is damaged counts as absent and is removed."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        head = len(MAGIC) + 32
        content = data[head:]
        if data[: len(MAGIC)] != MAGIC or data[len(MAGIC) : head] != hashlib.sha256(content).digest():
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):  # a shared cache may not be ours to touch
            os.utime(path)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keeps `content`; a folder that cannot be written keeps nothing, which only costs time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(self._path(key), MAGIC + hashlib.sha256(content).digest() + content)
            self._trim()
        except OSError:
            return

    def entries(self) -> list[tuple[str, int, float]]:
        """Key, bytes and time of last use of every entry, oldest first."""
        found: list[tuple[str, int, float]] = []
        for path in self.folder.glob("*.flowc") if self.folder.is_dir() else ():
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((path.stem, status.st_size, status.st_mtime))
        return sorted(found, key=lambda entry: (entry[2], entry[0]))

    def clear(self) -> int:
        """Removes every entry; how many there were."""
        entries = self.entries()
        for key, _, _ in entries:
            self._path(key).unlink(missing_ok=True)
        return len(entries)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.flowc"

    def _write(self, path: Path, data: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _trim(self) -> None:
        entries = self.entries()
        total = sum(size for _, size, _ in entries)
        for key, size, _ in entries:
            if total <= self.limit:
                return
            self._path(key).unlink(missing_ok=True)
            total -= size


def default_folder() -> Path:
    """Where this user's compiled code is kept."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "flowc"
    if sys.platform == "win32":
        return Path.home() / "AppData" / "Local" / "flowc" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowc"


@cache
def compiler() -> str:
    """What this compiler is: the hash of its own sources, so that another one never finds its code."""
    import flowc_runtime

    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(flowc_runtime.__file__).parent):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in SOURCES):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def key_of(*parts: str | bytes) -> str:
    """The key of content made from `parts`, in order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
