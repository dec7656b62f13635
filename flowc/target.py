"""What schedules and code need to know of a machine; nothing here changes a bit of a result."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
    half: bool = False  # whether instructions convert between f16 and f32, NaN kept

    def lanes(self, bits: int) -> int:
        """Elements of `bits` in a vector."""
        return max(self.vector * 8 // bits, 1)

    def tile_columns(self, bits: int) -> int:
        """Columns of a register tile of elements of `bits`."""
        return max(self.columns * 32 // bits, 1)


X86 = "x86_64-unknown-linux-gnu"
AVX512 = Target(X86, "x86-64-v4", "", 64, 6, 64, False, half=True)
AVX2 = Target(X86, "x86-64-v3", "", 32, 6, 16, True, half=True)
SSE2 = Target(X86, "x86-64", "", 16, 4, 8, True, fma=False)


def host() -> Target:
    """This machine."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return replace(
        _shape(llvm.get_process_triple(), {name for name, there in features.items() if there}),
        cpu=llvm.get_host_cpu_name(),
        features=features.flatten(),
    )


def named(triple: str, cpu: str = "", features: str = "") -> Target:
    """The machine of that name; without a CPU the usual one of its kind, for x86-64 one with AVX2."""
    architecture = triple.partition("-")[0]
    if architecture == "x86_64" and not cpu:
        cpu = "x86-64-v3"
    if architecture == "riscv64" and not cpu:
        features = ",".join(filter(None, ("+m,+a,+f,+d,+c", features)))
    given = {f[1:] for f in features.split(",") if f.startswith("+")}
    dropped = {f[1:] for f in features.split(",") if f.startswith("-")}
    return replace(_shape(triple, (_of_cpu(cpu) | given) - dropped), cpu=cpu, features=features)


def _shape(triple: str, features: set[str]) -> Target:
    """Vectors and tiles by what the machine has."""
    match triple.partition("-")[0]:
        case "x86_64" if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= features:
            return replace(AVX512, triple=triple, half="f16c" in features)
        case "x86_64" if {"avx2", "fma"} <= features:
            return replace(AVX2, triple=triple, half="f16c" in features)
        case "x86_64":
            return replace(SSE2, triple=triple, fma="fma" in features, half="f16c" in features)
        case "aarch64" | "arm64":
            return Target(triple, vector=16, rows=6, columns=16, half=True)
        case "wasm32" | "wasm64":
            return Target(triple, vector=16, rows=4, columns=8, fma=False)
        case "riscv64":
            return Target(triple, vector=16, rows=4, columns=8)
        case _:
            return Target(triple, vector=16, rows=4, columns=8, fma=False)


AVX2_CPUS = (
    "x86-64-v3", "haswell", "broadwell", "skylake", "alderlake", "raptorlake", "meteorlake", "arrowlake", "lunarlake", "znver1", "znver2",
    "znver3",
)  # fmt: skip
AVX512_CPUS = (
    "x86-64-v4", "skylake-avx512", "cascadelake", "cooperlake", "icelake-client", "icelake-server", "tigerlake", "rocketlake",
    "sapphirerapids", "emeraldrapids", "graniterapids", "znver4", "znver5",
)  # fmt: skip


def _of_cpu(cpu: str) -> set[str]:
    """The features that decide vectors and tiles, of the x86 CPUs known to have them."""
    wide = {"avx512f", "avx512vl", "avx512bw", "avx512dq"} if cpu in AVX512_CPUS else set[str]()
    return wide | ({"avx2", "fma", "f16c"} if cpu in AVX2_CPUS or cpu in AVX512_CPUS else set[str]())
