"""What schedules and code need to know of a machine; nothing here changes a bit of a result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A CPU: its LLVM names, the bytes of its vectors, and the register tile of a contraction in f32."""

    triple: str
    cpu: str = ""
    features: str = ""
    vector: int = 16  # bytes
    rows: int = 4
    columns: int = 8
    packs: bool = True  # whether operands in panels pay
    fma: bool = True

    def lanes(self, bits: int) -> int:
        """Elements of `bits` in a vector."""
        return max(self.vector * 8 // bits, 1)


X86 = "x86_64-unknown-linux-gnu"
AVX512 = Target(X86, "x86-64-v4", "", 64, 6, 64, False)
AVX2 = Target(X86, "x86-64-v3", "", 32, 6, 16, True)
SSE2 = Target(X86, "x86-64", "", 16, 4, 8, True, fma=False)
