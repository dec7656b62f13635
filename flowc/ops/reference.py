"""The reference of the built-in functions: what each one's class says of it, for `flowc ops` and docs/ops.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Kind
from flowc.ops.call import REQUIRED, Argument, Parameter, built_ins, call, parameters, signature_text
from flowc.ops.pointwise import Elementwise, kind, kind_words
from flowc.ops.tensor import BuiltIn, Function, Tensor

# The themes in order, each with the modules whose functions it has; a function may say its own, and a module that none names is one.
THEMES: Mapping[str, tuple[str, ...]] = {
    "Arithmetic, comparison, logic": ("elementwise", "division", "powers"),
    "Functions of numbers": ("functions", "elementary", "special", "signs"),
    "Bits of integers": ("integers",),
    "Activations": ("activations",),
    "Reductions": ("reduce",),
    "Running totals": ("cumulative",),
    "Making tensors": ("make",),
    "Shape": ("shape", "join", "slicing", "pad", "repeating"),
    "Gathering, scattering, selecting": ("index", "scatter", "select"),
    "Sorting": ("sort",),
    "Linear algebra": ("linalg", "einsum", "diagonal"),
    "Networks": ("nn", "conv", "pool", "norm", "attention", "recurrent"),
    "Losses": ("loss",),
    "Random numbers": ("random", "orders"),
    "Signals": ("signal",),
    "Derivatives": (),
}
MADE_OF = "that of the functions it is made of"
PROBES = (DType.f32, DType.i32, DType.u32, DType.bool)


@dataclass(frozen=True)
class Entry:
    """All that is said of a built-in; `elements` and `derivative` are "" where nothing is known of them."""

    name: str
    signature: str
    meaning: str
    aliases: tuple[str, ...]
    infix: str
    elements: str
    derivative: str

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What there is to say beside signature and meaning, each with what it is."""
        said = {
            "operator": f"x {self.infix} y" if self.infix else "",
            "also": ", ".join(self.aliases),
            "elements": self.elements,
            "derivative": self.derivative,
        }
        return tuple((what, text) for what, text in said.items() if text)


def entry(cls: type[BuiltIn]) -> Entry:
    """What the class of a built-in says of it."""
    meaning = inspect.getdoc(cls) or ""
    return Entry(cls.name, signature_text(cls), meaning, cls.aliases, cls.infix, elements(cls), derivative(cls))


def summary(cls: type[BuiltIn]) -> str:
    """The first line of the built-in's meaning."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def reference(cls: type[BuiltIn]) -> str:
    """Signature, meaning and facts of a built-in, for people."""
    told = entry(cls)
    facts = "".join(f"{what:<11} {text}\n" for what, text in told.facts)
    return f"{told.signature}\n{told.meaning}\n" + (f"\n{facts}" if facts else "")


def themes() -> Mapping[str, Sequence[type[BuiltIn]]]:
    """Every built-in by theme, in order of name."""
    found: dict[str, list[type[BuiltIn]]] = {theme: [] for theme in THEMES}
    for cls in sorted(dict.fromkeys(built_ins().values()), key=lambda cls: cls.name):
        found.setdefault(theme_of(cls), []).append(cls)
    return {theme: classes for theme, classes in found.items() if classes}


def theme_of(cls: type[BuiltIn]) -> str:
    module = cls.__module__.rpartition(".")[2]
    return cls.theme or next((theme for theme, modules in THEMES.items() if module in modules), module.capitalize())


def elements(cls: type[BuiltIn]) -> str:
    """The kinds of element of the operands that share a dtype: `floats, integers`."""
    kinds = "".join(kind(dtype) for dtype in PROBES if any(True for _ in sample_calls(cls, dtype)))
    return ", ".join(kind_words(kinds)) if any(map(free, parameters(cls))) else ""


def derivative(cls: type[BuiltIn]) -> str:
    """How the derivative by operands of floats is known; "" where it takes none."""
    if not any(map(free, parameters(cls))) or "floats" not in (elements(cls) or "floats"):
        return ""
    made = next(sample_calls(cls, DType.f32), None)
    if made is not None and not any(v.type.dtype.is_float for v in made[1]):
        return "none, the result has no floats"
    if issubclass(cls, Function):
        return MADE_OF
    assert issubclass(cls, Tensor)
    if issubclass(cls, Elementwise) and cls.steps:
        return "0, constant between jumps"
    if cls.gradient not in (Tensor.gradient, Elementwise.gradient):
        return "by a rule of its own"
    if cls.expand is not Tensor.expand:
        return MADE_OF
    return "by its element" if cls.indexed and cls.at not in (Tensor.at, Elementwise.at) else "none"


def free(p: Parameter) -> bool:
    """Whether the formal takes tensors of more than one dtype."""
    return p.kind in (Kind.tensor, Kind.tensors) and p.dtype is None


Sample = tuple[list[Value], tuple[Value, ...]]  # the operands that share a dtype, the results


def sample_calls(cls: type[BuiltIn], dtype: DType) -> Iterator[Sample]:
    """Calls of the built-in that it accepts, where the operands that share a dtype have `dtype`.

    Found by trying ranks, and dtypes of the other operands; none for one whose sizes have to fit in a way of its own.
    """
    for rank, rest, other, items in product((2, 1, 3, 4, 5, 0), (0, 1, None), (DType.f32, DType.i64, DType.bool), (1, 2, 3)):
        try:
            yield _sample(cls, dtype, other, rank, rank if rest is None else rest, items)
        except OpError:
            continue


def _sample(cls: type[BuiltIn], dtype: DType, other: DType, rank: int, rest: int, items: int) -> Sample:
    positional: list[Argument] = []
    keyword: dict[str, Argument] = {}
    shared: list[Value] = []

    def tensor(p: Parameter) -> Value:
        own = dtype if not cls.same or p.name in cls.same else other
        shape: tuple[Dim, ...] = () if p.dtype else (4,) * (rank if not shared else rest)
        value = Value(Type(p.dtype or own, shape), None, p.name)
        if free(p) and own is dtype:
            shared.append(value)
        return value

    for n, p in enumerate(parameters(cls)):
        if p.default is not REQUIRED and not p.variadic:
            continue
        many: list[Argument] = [tensor(p), tensor(p)] if p.kind is Kind.tensors else []
        argument: Argument = tensor(p) if p.kind is Kind.tensor else many or _plain(p.kind, n, items)
        if p.variadic:
            positional += many
        elif p.named:
            keyword[p.name] = argument
        else:
            positional.append(argument)
    result = call(cls, positional, keyword)
    return shared, result if isinstance(result, tuple) else (result,) if isinstance(result, Value) else ()


def _plain(kind: Kind, place: int, items: int) -> Any:
    """An argument that is no tensor, as many functions take it; numbers grow from place to place."""
    match kind:
        case Kind.number:
            return place / 4
        case Kind.shape:
            return [4] * items
        case Kind.order:
            return list(range(items))
        case Kind.pairs:
            return [[1, 1]] * items
        case Kind.text:
            return "ij,jk->ik"
        case Kind.dtype:
            return DType.f32
        case Kind.bool:
            return True
        case _:
            return 1
