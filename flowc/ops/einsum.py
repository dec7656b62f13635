"""Sums of products by letters: the axes of tensors, which are summed, and in what order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters

import numpy as np

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, show
from flowc.ir.types import DType, Type
from flowc.ops.elementwise import cast, mul
from flowc.ops.kernel import fold
from flowc.ops.reduce import Sum
from flowc.ops.shape import Transpose, reshape
from flowc.ops.tensor import Array, Read, Tensor, assumed_equal, one_dtype

ANY = "..."


class Einsum(Tensor, name="einsum"):
    """The sum over the letters that the result lacks of the product of the tensors at their letters, as in `einsum("ij,jk->ik", x, y)`.

    A letter twice at one tensor is its diagonal; `...` are axes that broadcast; without `->` the result
    has `...`, then the letters that occur once, in order of the alphabet.  A letter of one tensor alone is
    summed first, in the order of `sum`; then the tensors are multiplied from left to right, each pair
    summed over the letters that neither a later tensor nor the result has: one fma chain, the letters in
    order of appearance, the last fastest.  A pair whose result is a scalar sums in the order of `sum`, each term by fma.
    f16 and bf16 are rounded once, at the end.
    """

    subscripts: str
    tensors: tuple[Value, ...]

    @classmethod
    def make(cls, subscripts: str, *tensors: Value) -> Value:
        types = [x.type for x in tensors]
        form = _read(subscripts, types)
        _check_sizes(form, types)
        dtype = types[0].dtype
        if len(tensors) > 1 and dtype is DType.bool:
            raise OpError(f"einsum of {types[0]}: bool has no products to sum", help="convert first: `... as f32`")
        if dtype.is_narrow and (len(tensors) > 1 or form.inner()):
            return cast(_contracted(form, [cast(x, DType.f32) for x in tensors]), dtype)
        return _contracted(form, tensors)

    @property
    def moves(self) -> bool:  # type: ignore[override]
        return len(self.tensors) == 1

    @property
    def exact(self) -> bool:  # type: ignore[override]
        return len(self.tensors) == 1

    def infer(self) -> tuple[Type, ...]:
        form, types = self.letters(), [x.type for x in self.tensors]
        self.assumes()
        sizes = _sizes(form, types)
        return (Type(one_dtype(self.name, *types), tuple(sizes[c] for c in form.output)),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        return _check_sizes(self.letters(), [x.type for x in self.tensors])

    def letters(self) -> Letters:
        """The letters of a primitive: a tensor and its diagonals, or a pair each with distinct letters."""
        form = _read(self.subscripts, [x.type for x in self.tensors])
        once = all(len(set(a)) == len(a) for a in form.inputs)
        if ANY in self.subscripts or "->" not in self.subscripts:
            raise OpError(f'einsum "{self.subscripts}" of tensors names each axis and the result')
        if len(self.tensors) > 2 or (len(self.tensors) == 1 and form.inner()) or (len(self.tensors) == 2 and not once):
            raise OpError(f'einsum "{self.subscripts}" is made of simpler ones', help="one tensor moves, two are multiplied")
        return form

    def evaluate(self, *tensors: Array) -> Array:
        return np.einsum(self.subscripts, *tensors)

    def at(self, *i: Dim) -> Value:
        form = self.letters()
        sizes = _sizes(form, [x.type for x in self.tensors])
        outer = dict(zip(form.output, i, strict=True))
        if len(self.tensors) == 1:
            return _element(self.tensors[0], form.inputs[0], outer)
        inner = form.inner()

        def term(*ks: Dim) -> tuple[Value, Value]:
            known = outer | dict(zip(inner, ks, strict=True))
            x, y = (_element(x, a, known) for x, a in zip(self.tensors, form.inputs, strict=True))
            return x, y

        return fold("dot" if form.output else "lanes", tuple(sizes[c] for c in inner), term)


def _element(x: Value, letters: str, at: Mapping[str, Dim]) -> Value:
    return Read(x, tuple(0 if n == 1 else at[c] for n, c in zip(x.type.shape, letters, strict=True))).result


@dataclass(frozen=True)
class Letters:
    """A letter for each axis of the tensors and of the result; `any` are those that `...` stands for."""

    inputs: tuple[str, ...]
    output: str
    any: str = ""

    def inner(self) -> str:
        """The letters summed over, in order of appearance."""
        return "".join(c for c in dict.fromkeys("".join(self.inputs)) if c not in self.output)


def _read(subscripts: str, types: Sequence[Type]) -> Letters:
    """The letters of each axis, those of `...` made up; raises `OpError` where they do not fit the tensors."""
    text = subscripts.replace(" ", "")
    for c in text.replace(ANY, "").replace("->", ""):
        if c not in ascii_letters + ",":
            raise OpError(f'einsum "{subscripts}" has {c}', help='it is made of letters, commas, "..." and "->"')
    left, arrow, output = text.partition("->")
    parts = left.split(",")
    if "->" in output or "," in output:
        raise OpError(f'einsum "{subscripts}" has more than one result')
    if len(parts) != len(types):
        raise OpError(f'einsum "{subscripts}" is of {counted(len(parts), "tensor")}, not {len(types)}')
    covered = [_covered(subscripts, part, type) for part, type in zip(parts, types, strict=True)]
    most = max((n for n in covered if n is not None), default=0)
    free = [c for c in ascii_letters if c not in text]
    if most > len(free):
        raise OpError(f'einsum "{subscripts}": "..." stands for more axes than there are letters left')
    any_ = "".join(free[:most])
    inputs = tuple(part.replace(ANY, any_[most - (n or 0) :]) for part, n in zip(parts, covered, strict=True))
    if not arrow:
        letters = left.replace(ANY, "").replace(",", "")
        return Letters(inputs, any_ + "".join(c for c in sorted(set(letters)) if letters.count(c) == 1), any_)
    _check_output(subscripts, output, left)
    if any_ and ANY not in output:
        covering = next(t for t, n in zip(types, covered, strict=True) if n)
        raise OpError(f'the result of einsum "{subscripts}" lacks "...", axes of {covering}', help="letters are summed over")
    return Letters(inputs, output.replace(ANY, any_), any_)


def _covered(subscripts: str, part: str, type: Type) -> int | None:
    """How many axes `...` stands for at a tensor; None where it has none."""
    pieces = part.split(ANY)
    if len(pieces) > 2 or "." in "".join(pieces):
        raise OpError(f'"{part}" of einsum "{subscripts}" has "..." more than once')
    letters = len("".join(pieces))
    if len(pieces) == 2:
        if letters > type.rank:
            raise OpError(f'"{part}" of einsum names {counted(letters, "axis")} beside "...", and {type} has {type.rank}')
        return type.rank - letters
    if letters != type.rank:
        raise OpError(f'"{part}" of einsum names {counted(letters, "axis")}, and {type} has {type.rank}')
    return None


def _check_output(subscripts: str, output: str, left: str) -> None:
    pieces = output.split(ANY)
    letters = "".join(pieces)
    if len(pieces) > 2:
        raise OpError(f'the result of einsum "{subscripts}" has "..." more than once')
    for c in letters:
        if c not in left:
            raise OpError(f'the result of einsum "{subscripts}" has {c}, which no tensor has')
        if letters.count(c) > 1:
            raise OpError(f'the result of einsum "{subscripts}" has {c} twice', help="one result axis runs along the diagonal")


def _sizes(form: Letters, types: Sequence[Type]) -> dict[str, Dim]:
    """What each letter counts to; a size of 1 repeats to another's."""
    sizes: dict[str, Dim] = {}
    for letters, type in zip(form.inputs, types, strict=True):
        for c, n in zip(letters, type.shape, strict=True):
            if sizes.get(c, 1) == 1:
                sizes[c] = n
    return sizes


def _check_sizes(form: Letters, types: Sequence[Type]) -> tuple[tuple[Dim, Dim], ...]:
    """The pairs of sizes assumed equal; raises `OpError` where a letter is provably two of them."""
    open_: dict[tuple[Dim, Dim], None] = {}
    held: dict[str, tuple[Dim, Type]] = {}
    for letters, type in zip(form.inputs, types, strict=True):
        own: dict[str, Dim] = {}
        for c, n in zip(letters, type.shape, strict=True):
            if c in own:
                open_ |= dict.fromkeys(assumed_equal([(own[c], n)], f"{c} of einsum is {show(own[c])} and {show(n)} in {type}"))
            own.setdefault(c, n)
        for c, n in own.items():
            size, first = held.get(c, (1, type))
            if n != 1 and size != 1:
                axis = f'an axis of "..." in einsum is {show(size)}' if c in form.any else f"{c} of einsum is {show(size)}"
                open_ |= dict.fromkeys(assumed_equal([(size, n)], f"{axis} in {first} and {show(n)} in {type}"))
            if size == 1:
                held[c] = n, type
    return tuple(open_)


def _contracted(form: Letters, tensors: Sequence[Value]) -> Value:
    """Sums of single tensors, then pairs from left to right, then the axes in the order of the result."""
    terms = [_alone(form, n, x) for n, x in enumerate(tensors)]
    letters, total = terms[0]
    for n, (own, x) in enumerate(terms[1:], 2):
        later = form.output + "".join(a for a, _ in terms[n:])
        kept = "".join(c for c in dict.fromkeys(letters + own) if c in later) if n < len(terms) else form.output
        total = _multiplied((letters, total), (own, x), kept)
        letters = kept
    return _arranged(total, letters, form.output)


def _alone(form: Letters, n: int, x: Value) -> tuple[str, Value]:
    """The tensor with diagonals taken, and summed over the letters that nothing else has."""
    letters = form.inputs[n]
    own = "".join(dict.fromkeys(letters))
    diagonal = x if own == letters else Einsum(f"{letters}->{own}", (x,)).result
    others = form.output + "".join(a for m, a in enumerate(form.inputs) if m != n)
    private = tuple(a for a, c in enumerate(own) if c not in others)
    if not private:
        return own, diagonal
    return "".join(c for c in own if c in others), Sum.make(diagonal, private)  # type: ignore[return-value]


def _multiplied(first: tuple[str, Value], second: tuple[str, Value], kept: str) -> Value:
    (a, x), (b, y) = first, second
    if all(c in kept for c in a + b):
        return mul(_spread(x, a, kept), _spread(y, b, kept))
    return Einsum(f"{a},{b}->{kept}", (x, y)).result


def _spread(x: Value, letters: str, kept: str) -> Value:
    """x with an axis for each kept letter, of length 1 where it has none."""
    ordered = "".join(c for c in kept if c in letters)
    sizes = dict(zip(letters, x.type.shape, strict=True))
    return reshape(_arranged(x, letters, ordered), [sizes.get(c, 1) for c in kept])


def _arranged(x: Value, letters: str, wanted: str) -> Value:
    return x if letters == wanted else Transpose(x, tuple(letters.index(c) for c in wanted)).result
