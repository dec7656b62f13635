"""Which versions are at work."""

from __future__ import annotations

from importlib.metadata import version


def versions() -> dict[str, str]:
    """The versions of flowc, of LLVM and of the textual IR, by their names."""
    import llvmlite.binding as llvm

    from flowc.ir import VERSION

    return {"flowc": version("flowc"), "LLVM": ".".join(map(str, llvm.llvm_version_info)), "IR": str(VERSION)}
