"""The code of a conversion between two dtypes, for one element."""

from __future__ import annotations

from flowc.ir.types import DType
from flowc.ops.pointwise import Code, kind


def conversion(source: DType, target: DType) -> Code:
    """The lines that convert; those of f16 and bf16 know f32 alone, by functions of the code generator."""
    have, want = kind(source), kind(target)
    if source is target:
        return ("bitcast {t} {x} to {r}",)
    if source.is_narrow:
        return ("call {r} @flow.in_f32.{s}({t} {x})",) if target is DType.f32 else ()
    if target.is_narrow:
        return ("call {r} @flow.rounded.{rs}({t} {x})",) if source is DType.f32 else ()
    if want == "b":
        return ("fcmp une {t} {x}, {t:0}",) if have == "f" else ("icmp ne {t} {x}, {t:0}",)
    if have == "f":
        if want == "f":
            return (f"{'fpext' if target.bits > source.bits else 'fptrunc'} {{t}} {{x}} to {{r}}",)
        return (f"call {{r}} @llvm.fpto{'s' if want == 'i' else 'u'}i.sat.{{rs}}.{{s}}({{t}} {{x}})",)
    if want == "f":
        return (f"{'sitofp' if have == 'i' else 'uitofp'} {{t}} {{x}} to {{r}}",)
    if have != "b" and target.bits <= source.bits:
        return ("bitcast {t} {x} to {r}" if target.bits == source.bits else "trunc {t} {x} to {r}",)
    return (f"{'sext' if have == 'i' else 'zext'} {{t}} {{x}} to {{r}}",)
