"""The C header of a module: C99 and C++, self-contained, for several models in one program."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from flowc.codegen.interface import Interface, identifier
from flowc.codegen.signature import Port, Signature
from flowc.ir.types import DType

C_TYPES = {
    DType.bool: "uint8_t", DType.i8: "int8_t", DType.i16: "int16_t", DType.i32: "int32_t", DType.i64: "int64_t", DType.u8: "uint8_t",
    DType.u16: "uint16_t", DType.u32: "uint32_t", DType.u64: "uint64_t", DType.f16: "uint16_t", DType.bf16: "uint16_t",
    DType.f32: "float", DType.f64: "double",
}  # fmt: skip
_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class co_await co_return
    co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do double dynamic_cast else
    enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator
    or or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof static static_assert
    static_cast struct switch template this thread_local throw true try typedef typeid typename typeof union unsigned using virtual
    void volatile wchar_t while xor xor_eq
    size_t int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t NULL INT64_MAX
    flow_pool flow_error flow_event flow_context flow_message
"""
KEYWORDS = frozenset(_WORDS.split())  # of C, of C++, and what the header itself speaks of


def header(found: Interface) -> str:
    """The text of the header."""
    prefix = found.prefix
    guard = f"FLOWC_MODEL_{prefix.upper()}_H"
    macros = Names()
    shared = (files("flowc_runtime") / "flow.h").read_text(encoding="utf-8")
    parts = [
        f"/* The C interface of {prefix}. Workspace and state are 64-byte aligned; a result that is not 0 is a flow_message. */",
        f"#ifndef {guard}\n#define {guard}\n\n{shared}",
        '#ifdef __cplusplus\nextern "C" {\n#endif\n',
        *(graph(signature, macros) for signature in found.graphs),
        "/* The place in the source of a failure, by flow_error.site; an overlap gives in index the site of the other buffer. */\n"
        f"const char *{prefix}_site(int32_t site);\n",
        *state(found, macros),
        "#ifdef __cplusplus\n}\n#endif\n#endif",
    ]
    return "\n".join(parts) + "\n"


def graph(signature: Signature, macros: Names) -> str:
    """The declarations of one graph."""
    symbol = signature.symbol
    ranges: list[str] = []
    for size in signature.sizes:
        name = macros.unique(f"{symbol}_{identifier(size.name)}".upper())
        high = "INT64_MAX" if size.high is None else str(size.high)
        ranges.append(f"#define {name}_MIN {size.low}\n#define {name}_MAX {high}\n")
    takes = ", ".join(map(str, signature.inputs)) or "nothing"
    gives = ", ".join(map(str, signature.outputs)) or "nothing"
    workspace = ", ".join([*(f"int64_t {name}" for name in sizes(signature)), "int threads"])
    return (
        f"/* {signature.name}: {takes} -> {gives} */\n{''.join(ranges)}"
        f"size_t {symbol}_workspace({workspace});\n"
        f"int {symbol}({', '.join(parameters(signature))});\n"
    )


def sizes(signature: Signature) -> list[str]:
    """The C names of the sizes of a graph, as `parameters` has them."""
    names = Names()
    return [names.unique(identifier(size.name)) for size in signature.sizes]


def parameters(signature: Signature) -> list[str]:
    """The parameters of a graph's C function, in order."""
    names = Names()
    listed = ["void *state"] if signature.stateful else []
    listed += [f"int64_t {names.unique(identifier(size.name))}" for size in signature.sizes]
    listed += [_input(port, names) for port in signature.inputs]
    for n, port in enumerate(signature.outputs):
        listed.append(f"{C_TYPES[port.dtype]} *{names.unique(identifier(port.name))}")
        listed += [f"int64_t *{names.unique(identifier(f.size.name))}" for f in signature.found if f.output == n]
    listed += ["const void *weights"] if signature.weights else []
    return [*listed, "void *workspace", "const flow_context *context"]


def _input(port: Port, names: Names) -> str:
    name = names.unique(identifier(port.name))
    return f"const {C_TYPES[port.dtype]} *{name}" if port.shape else f"{C_TYPES[port.dtype]} {name}"


def state(found: Interface, macros: Names) -> Iterator[str]:
    """What is there only with param, state or weights of their own."""
    prefix = found.prefix
    if found.place == "separate" and found.weights.blobs:
        yield f"#define {prefix.upper()}_WEIGHTS_BYTES {found.weights.bytes}\n"
    if not found.states:
        return
    places: list[str] = []
    for placed in found.states:
        name = macros.unique(f"{prefix}_{placed.state.kind}_{identifier(placed.state.name)}".upper())
        text = f"/* {placed.state.name}: {placed.state.type} */"
        places.append(f"#define {name}_OFFSET {placed.offset} {text}\n#define {name}_BYTES {placed.bytes}\n")
    yield "".join(places)
    yield f"size_t {prefix}_state_bytes(void);\n"
    if found.init is not None:
        yield f"size_t {found.init.symbol}_workspace(int threads);\nint {found.init.symbol}({', '.join(parameters(found.init))});\n"


class Names:
    """C names, each given once."""

    def __init__(self) -> None:
        self.taken = {"state", "weights", "workspace", "context", "threads", *KEYWORDS}

    def unique(self, name: str) -> str:
        """`name`, or with `_` and a number where it is taken."""
        made, n = name, 1
        while made in self.taken:
            n += 1
            made = f"{name}_{n}"
        self.taken.add(made)
        return made
