"""Sizes and index expressions as i64 arithmetic, of scalars."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from flowc.codegen.text import Text
from flowc.ir.dims import ONE, Dim, Floor, Least, Monomial, at_least, show_monomial

Depth = Callable[[Monomial], int]


def integer(t: Text, index: Mapping[Any, str], d: Dim, depth: Depth = lambda monomial: 0) -> str:
    """The value of a size or index, outer terms added first; `index` names its atoms."""
    if isinstance(d, int):
        return str(d)
    total = ""
    for monomial, c in ordered(d, index, depth):
        part = str(c) if c != 1 or not monomial else ""
        for atom, power in sorted(monomial, key=lambda factor: _name(factor[0], index)):
            one = _composed(t, index, atom, depth) if isinstance(atom, Floor | Least) else index[atom]
            for _ in range(power):
                part = t.value(f"mul nsw i64 {one}, {part}") if part else one
        total = t.value(f"add nsw i64 {total}, {part}") if total else part
    return total or "0"


def magnitude(t: Text, index: Mapping[Any, str], d: Dim) -> str:
    """A double that is about the most |d| and all on the way to it can be, for sizes that `index` names."""
    total = ""
    for monomial, c in ordered(d, index):
        part = f"0x{struct.unpack('<Q', struct.pack('<d', float(abs(c))))[0]:016X}"
        for atom, power in sorted(monomial, key=lambda factor: _name(factor[0], index)):
            one = _at_least_one(t, index, atom)
            for _ in range(power):
                part = t.value(f"fmul double {part}, {one}")
        total = t.value(f"fadd double {total}, {part}") if total else part
    return total or "0.0"


def _at_least_one(t: Text, index: Mapping[Any, str], atom: Any) -> str:
    if isinstance(atom, Floor | Least):
        found = t.value(f"fadd double {magnitude(t, index, atom.of)}, {magnitude(t, index, atom.by)}")
    else:
        found = t.value(f"sitofp i64 {index[atom]} to double")
    return t.value(f"select i1 {t.value(f'fcmp ogt double {found}, 1.0')}, double {found}, double 1.0")


def ordered(d: Dim, index: Mapping[Any, str], depth: Depth = lambda monomial: 0) -> list[tuple[Monomial, int]]:
    """The terms of `d`, outer ones first, in an order that depends on their names alone."""
    terms: dict[Monomial, int] = {ONE: d} if isinstance(d, int) else d.terms
    return sorted(terms.items(), key=lambda term: (depth(term[0]), show_monomial(term[0], lambda a: _name(a, index))))


def _name(atom: Any, index: Mapping[Any, str]) -> str:
    if isinstance(atom, Floor | Least):
        return show_monomial(frozenset({(atom, 1)}), lambda a: _name(a, index))
    return index.get(atom) or str(atom)


def _composed(t: Text, index: Mapping[Any, str], atom: Floor | Least, depth: Depth) -> str:
    of, by = integer(t, index, atom.of, depth), integer(t, index, atom.by, depth)
    if isinstance(atom, Least):
        return t.value(f"call i64 @llvm.smin.i64(i64 {of}, i64 {by})")
    if not at_least(atom.by, 1):  # of an axis of 0, which has no index
        by = t.value(f"call i64 @llvm.smax.i64(i64 {by}, i64 1)")
    quotient = t.value(f"sdiv i64 {of}, {by}")
    if at_least(atom.of, 0):
        return quotient
    negative = t.value(f"icmp slt i64 {t.value(f'srem i64 {of}, {by}')}, 0")
    return t.value(f"select i1 {negative}, i64 {t.value(f'sub i64 {quotient}, 1')}, i64 {quotient}")
