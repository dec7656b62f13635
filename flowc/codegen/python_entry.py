"""The call of a graph from Python as LLVM text: a METH_FASTCALL | METH_KEYWORDS function of CPython.

It reads NumPy arrays where they lie, binds and checks sizes, makes the results or takes the arrays of `out=`, and calls the C
function of the graph.
Whatever is not as it should be goes to a Python callable that converts or explains.  All addresses come from the table
that `flowc_runtime.fast` makes and passes as `self`.
"""

from __future__ import annotations

from collections.abc import Callable

from flowc.codegen.llvm.dims import integer
from flowc.codegen.llvm.scalars import PASSED
from flowc.codegen.signature import Port, Signature, reads
from flowc.codegen.text import Text
from flowc.ir.dims import atoms
from flowc.ir.types import DType
from flowc_runtime import fast
from flowc_runtime.locks import ALIGNMENT

EXACT = 1 << 53  # a double holds all integers up to it
RELEASING = 4096  # operations from which a run lets other Python threads run



def python_entry(signature: Signature) -> str:
    """`ptr @<symbol>_python(ptr self, ptr arguments, i64 count, ptr names)`, for the module of the graph's C function."""
    entry = _Entry(signature)
    if _leading(signature):
        entry.call()
    else:
        entry.text.jump("slow")
    entry.slow()
    return str(entry.text)


def _leading(signature: Signature) -> bool:
    """Whether sizes found in the run are of first axes alone, so that a result is the beginning of its buffer."""
    found = {found.size for found in signature.found}
    return not any(found & {*atoms(d)} for port in signature.outputs for d in port.shape[1:])


def passed(dtype: DType) -> str:
    """How the C function takes an element by value."""
    if dtype.bits >= 32:
        return PASSED[dtype]
    return f"{PASSED[dtype]} {'signext' if dtype.is_signed else 'zeroext'}"


class _Entry:
    """Up to `outputs` a failing check leaves for `slow`; after it, for `retreat` (slow, too) or `abandon` (an error is set)."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.text = t = Text(f"define ptr @{signature.symbol}_python(ptr %self, ptr %arguments, i64 %count, ptr %names)")
        self.made = [t.reserve("ptr") for _ in signature.outputs]
        self.shapes = [t.reserve("i64", len(port.shape)) for port in signature.outputs]
        self.counts = [t.reserve("i64") for _ in signature.found]
        self.context, self.error = t.reserve("i64", 6), t.reserve("i64", 3)
        self.table = self.load("ptr", "%self", fast.DATA)
        self.index: dict[object, str] = {}

    def call(self) -> None:
        t, signature = self.text, self.signature
        given, out = t.when(t.value("icmp ne ptr %names, null"), ("i64", "ptr"), ("%count", "null"), self.named)
        self.require(f"icmp eq i64 {given}, {len(signature.inputs)}")
        arguments = [self.load("ptr", "%arguments", 8 * n) for n in range(len(signature.inputs))]
        inputs = [self.input(n, port, arguments[n]) for n, port in enumerate(signature.inputs)]
        self.sizes(arguments)
        sizes = [f"i64 {self.index[size]}" for size in signature.sizes]
        threads = f"i32 {self.slot('threads', 'i32')}"
        size = t.value(f"call i64 @{signature.symbol}_workspace({', '.join([*sizes, threads])})")
        outputs = self.outputs(out)
        state = self.take_state()
        memory, lock, own = self.take_workspace(size, state)
        weights = [f"ptr {self.slot('weights')}"] if signature.weights else []
        first = [f"ptr {self.load('ptr', state, 8)}"] if state else []
        stored = [f"ptr {place}" for n, output in enumerate(outputs) for place in (output, *self.counted(n))]
        code = self.run([*first, *sizes, *inputs, *stored, *weights, f"ptr {memory}", f"ptr {self.context}"])
        self.release(state, lock, own)
        self.results(code, outputs, out)

    # Reading what was given

    def named(self) -> list[str]:
        """The number of inputs given, where those given by name follow in their order, and what is given for `out` after them."""
        t, inputs = self.text, len(self.signature.inputs)
        total = t.value(f"add i64 %count, {self.load('i64', '%names', fast.LENGTH)}")
        more = t.value(f"sub i64 {total}, {inputs}")
        takes_out = self.signature.outputs and all(port.name != "out" for port in self.signature.inputs)
        self.require(f"icmp ule i64 {more}, 1" if takes_out else f"icmp eq i64 {more}, 0")
        items = self.items("%names")
        for n in range(inputs):
            place = t.value(f"sub i64 {n}, %count")

            def same(place: str = place, n: int = n) -> tuple[()]:
                return self.require_name(items, place, self.place(fast.input_slot(n) + 2))

            t.when(t.value(f"icmp sge i64 {place}, 0"), (), (), same)
        if not takes_out:
            return [str(inputs), "null"]
        return [str(inputs), *t.when(t.value(f"icmp eq i64 {more}, 1"), ("ptr",), ("null",), lambda: [self.named_out(items)])]

    def named_out(self, items: str) -> str:
        """The argument after the inputs, by the name `out`; null for None."""
        t, inputs = self.text, len(self.signature.inputs)
        place = t.value(f"sub i64 {inputs}, %count")
        self.require(f"icmp sge i64 {place}, 0")
        self.require_name(items, place, self.slot("out"))
        out = self.load("ptr", "%arguments", 8 * inputs)
        absent = t.value(f"icmp eq ptr {out}, {self.slot('None')}")
        return t.value(f"select i1 {absent}, ptr null, ptr {out}")

    def require_name(self, items: str, place: str, name: str) -> tuple[()]:
        given = self.load("ptr", self.text.value(f"getelementptr ptr, ptr {items}, i64 {place}"), 0)
        self.require(f"icmp eq ptr {given}, {name}")
        return ()

    def input(self, n: int, port: Port, argument: str) -> str:
        """The argument of the C function for input `n`."""
        if not port.shape:
            return f"{passed(port.dtype)} {self.scalar(n, port.dtype, argument)}"
        return f"ptr {self.array(n, len(port.shape), argument)}"

    def scalar(self, n: int, dtype: DType, argument: str) -> str:
        """The value of a NumPy scalar, a number of Python's own type for it, or an array of rank 0."""
        t, type = self.text, PASSED[dtype]
        given, done = self.load("ptr", argument, fast.TYPE), t.name("read")
        cases = [(self.place(fast.input_slot(n) + 1), lambda: self.load(type, argument, fast.SCALAR))]
        if dtype is DType.bool:
            cases.append((self.slot("bool"), lambda: self.python_bool(argument)))
        if dtype in (DType.f32, DType.f64):
            cases.append((self.slot("float"), lambda: self.rounded(self.load("double", argument, fast.SCALAR), dtype)))
            cases.append((self.slot("int"), lambda: self.rounded(self.exact(argument), dtype)))
        if dtype.is_integer:
            cases.append((self.slot("int"), lambda: self.narrowed(dtype, argument)))
        taken: list[tuple[str, str]] = []
        for type_object, value in cases:
            inside, other = t.name("is"), t.name("else")
            t.branch(t.value(f"icmp eq ptr {given}, {type_object}"), inside, other)
            t.at(inside)
            taken.append((value(), t.label))
            t.jump(done)
            t.at(other)
        taken.append((self.load(type, self.array(n, 0, argument), 0), t.label))
        t.jump(done)
        t.at(done)
        return t.value(f"phi {type} {', '.join(f'[ {value}, %{label} ]' for value, label in taken)}")

    def python_bool(self, argument: str) -> str:
        true = self.text.value(f"icmp eq ptr {argument}, {self.slot('True')}")
        return self.text.value(f"zext i1 {true} to i8")

    def python_int(self, low: int, high: int, argument: str) -> str:
        """The value of an `int` from `low` to `high`, as i64."""
        beyond = self.text.reserve("i32")
        wide = self.ask("i64", "PyLong_AsLongLongAndOverflow", f"ptr {argument}", f"ptr {beyond}")
        self.require(f"icmp eq i32 {self.load('i32', beyond, 0)}, 0")
        if low > -(1 << 63):
            self.require(f"icmp sge i64 {wide}, {low}")
        if high < (1 << 63) - 1:
            self.require(f"icmp sle i64 {wide}, {high}")
        return wide

    def exact(self, argument: str) -> str:
        """The value of an `int` that a double holds."""
        return self.text.value(f"sitofp i64 {self.python_int(-EXACT, EXACT, argument)} to double")

    def narrowed(self, dtype: DType, argument: str) -> str:
        wide = self.python_int(*dtype.limits(), argument)
        return wide if dtype.bits == 64 else self.text.value(f"trunc i64 {wide} to {PASSED[dtype]}")

    def rounded(self, number: str, dtype: DType) -> str:
        """A double, rounded once."""
        return self.text.value(f"fptrunc double {number} to float") if dtype is DType.f32 else number

    def array(self, n: int, rank: int, argument: str) -> str:
        """The address of the elements of an array given for input `n`."""
        return self.elements(argument, self.place(fast.input_slot(n)), rank, fast.CONTIGUOUS_ALIGNED, "slow")

    def elements(self, array: str, dtype: str, rank: int, flags: int, otherwise: str) -> str:
        """The address of the elements of a plain ndarray of that dtype and rank with all these flags."""
        self.require(f"icmp eq ptr {self.load('ptr', array, fast.TYPE)}, {self.slot('ndarray')}", otherwise)
        self.require(f"icmp eq ptr {self.load('ptr', array, fast.DTYPE)}, {dtype}", otherwise)
        self.require(f"icmp eq i32 {self.load('i32', array, fast.RANK)}, {rank}", otherwise)
        held = self.text.value(f"and i32 {self.load('i32', array, fast.FLAGS)}, {flags}")
        self.require(f"icmp eq i32 {held}, {flags}", otherwise)
        return self.load("ptr", array, fast.DATA)

    def sizes(self, arguments: list[str]) -> None:
        """Binds each size to an axis, then holds all sizes to their ranges and all axes to the sizes."""
        t, signature = self.text, self.signature
        extents: dict[tuple[int, int], str] = {}
        for n, port in enumerate(signature.inputs):
            if port.shape:
                shape = self.load("ptr", arguments[n], fast.SHAPE)
                extents.update(((n, axis), self.load("i64", shape, 8 * axis)) for axis in range(len(port.shape)))
        plain: set[tuple[int, int]] = set()
        for read in reads(signature):
            size = extents[read.input, read.axis]
            if read.plus != 0:
                size = t.value(f"sub i64 {size}, {integer(t, self.index, read.plus)}")
            if read.times != 1:
                size = t.value(f"sdiv i64 {size}, {read.times}")
            if read.plus == 0 and read.times == 1:
                plain.add((read.input, read.axis))
            self.index[read.size] = size
        for size in signature.sizes:
            self.require(f"icmp sge i64 {self.index[size]}, {size.low}")
            if size.high is not None:
                self.require(f"icmp sle i64 {self.index[size]}, {size.high}")
        for (n, axis), extent in extents.items():
            if (n, axis) not in plain:
                self.require(f"icmp eq i64 {extent}, {integer(t, self.index, signature.inputs[n].shape[axis])}")

    # Results, state, workspace

    def outputs(self, out: str) -> list[str]:
        """Where the results go: arrays, new ones or those of `out`, held by `made`; stack space for new results of rank 0."""
        t, signature = self.text, self.signature
        for found in signature.found:
            self.index[found.size] = integer(t, self.index, found.bound)
        for n, port in enumerate(signature.outputs):
            t.do(f"store ptr null, ptr {self.made[n]}, align 8")
            for axis, d in enumerate(port.shape):
                t.do(f"store i64 {integer(t, self.index, d)}, ptr {self.beside(self.shapes[n], 8 * axis)}, align 8")
        new = [lambda n=n, port=port: self.new(n, port) for n, port in enumerate(signature.outputs)]
        return self.either(t.value(f"icmp eq ptr {out}, null"), lambda: [make() for make in new], lambda: self.given(out))

    def new(self, n: int, port: Port) -> str:
        if not port.shape:
            return self.text.reserve("i64")
        dtype = self.result_dtype(n)
        self.tell("Py_IncRef", f"ptr {dtype}")  # the new array takes it over
        given = [f"ptr {self.slot('ndarray')}", f"ptr {dtype}", f"i32 {len(port.shape)}", f"ptr {self.shapes[n]}"]
        array = self.ask("ptr", "PyArray_NewFromDescr", *given, "ptr null", "ptr null", "i32 0", "ptr null")
        self.require(f"icmp ne ptr {array}, null", "unmade")
        self.text.do(f"store ptr {array}, ptr {self.made[n]}, align 8")
        return self.load("ptr", array, fast.DATA)

    def given(self, out: str) -> list[str]:
        """The addresses of the arrays of `out`: the array itself for one result, a tuple for several."""
        t, outputs = self.text, self.signature.outputs
        arrays = [out] if len(outputs) == 1 else self.several(out)
        places: list[str] = []
        for n, (port, array) in enumerate(zip(outputs, arrays, strict=True)):
            places.append(self.elements(array, self.result_dtype(n), len(port.shape), fast.WRITEABLE, "retreat"))
            shape = self.load("ptr", array, fast.SHAPE)
            for axis in range(len(port.shape)):
                wanted = self.load("i64", self.shapes[n], 8 * axis)
                self.require(f"icmp eq i64 {self.load('i64', shape, 8 * axis)}, {wanted}", "retreat")
            self.tell("Py_IncRef", f"ptr {array}")
            t.do(f"store ptr {array}, ptr {self.made[n]}, align 8")
        return places

    def several(self, out: str) -> list[str]:
        """What a tuple holds, or the result of another call."""
        t, outputs = self.text, self.signature.outputs
        type = self.load("ptr", out, fast.TYPE)
        plain, named = (t.value(f"icmp eq ptr {type}, {self.slot(name)}") for name in ("tuple", "result"))
        self.require(f"or i1 {plain}, {named}")
        self.require(f"icmp eq i64 {self.load('i64', out, fast.LENGTH)}, {len(outputs)}")
        items = self.items(out)
        return [self.load("ptr", items, 8 * n) for n in range(len(outputs))]

    def counted(self, n: int) -> list[str]:
        """Where the sizes found for result `n` go."""
        return [count for count, found in zip(self.counts, self.signature.found, strict=True) if found.output == n]

    def take_state(self) -> str:
        """The cell of the state, locked; "" where the graph has none."""
        if not self.signature.stateful:
            return ""
        cell = self.slot("state")
        self.require(f"icmp ne i32 {self.acquired(self.load('ptr', cell, 0))}, 0", "retreat")
        return cell

    def take_workspace(self, size: str, state: str) -> tuple[str, str, str]:
        """The memory, the lock held for it or null, the block allocated for it or null."""
        t = self.text
        some, kept, small, other, own, none, ready = map(t.name, ("some", "kept", "small", "other", "own", "none", "ready"))
        before, cell = t.label, self.slot("workspace")
        lock = self.load("ptr", cell, 0)
        t.branch(t.value(f"icmp eq i64 {size}, 0"), ready, some)
        t.at(some)
        t.branch(t.value(f"icmp ne i32 {self.acquired(lock)}, 0"), kept, other)
        t.at(kept)
        memory = self.load("ptr", cell, 8)
        t.branch(t.value(f"icmp uge i64 {self.load('i64', cell, 16)}, {size}"), ready, small)
        t.at(small)
        self.unlock(lock)
        t.jump(none)
        t.at(other)
        block = self.ask("ptr", "PyMem_RawMalloc", f"i64 {t.value(f'add i64 {size}, {ALIGNMENT}')}")
        t.branch(t.value(f"icmp ne ptr {block}, null"), own, none)
        t.at(none)
        if state:
            self.unlock(self.load("ptr", state, 0))
        t.jump("retreat")
        t.at(own)
        address = t.value(f"ptrtoint ptr {block} to i64")
        aligned = t.value(f"and i64 {t.value(f'add i64 {address}, {ALIGNMENT - 1}')}, -{ALIGNMENT}")
        allocated = t.value(f"inttoptr i64 {aligned} to ptr")
        t.jump(ready)
        t.at(ready)
        ways = ((before, "null", "null", "null"), (kept, memory, lock, "null"), (own, allocated, "null", block))
        merged = [t.value("phi ptr " + ", ".join(f"[ {way[k]}, %{way[0]} ]" for way in ways)) for k in (1, 2, 3)]
        return merged[0], merged[1], merged[2]

    def release(self, state: str, lock: str, own: str) -> None:
        """Gives back what the run had for itself."""
        t = self.text
        if state:
            self.unlock(self.load("ptr", state, 0))
        t.when(t.value(f"icmp ne ptr {lock}, null"), (), (), lambda: self.unlock(lock))
        t.when(t.value(f"icmp ne ptr {own}, null"), (), (), lambda: self.tell("PyMem_RawFree", f"ptr {own}"))

    # The run and what comes of it

    def run(self, arguments: list[str]) -> str:
        """The result of the C function; other Python threads run meanwhile unless the work is little."""
        t = self.text
        words = (f"i64 {fast.CONTEXT_BYTES}", f"ptr {self.slot('pool')}", "ptr null", f"ptr {self.error}", "ptr null", "ptr null")
        for n, word in enumerate(words):
            t.do(f"store {word}, ptr {self.beside(self.context, 8 * n)}, align 8")
        work = self.signature.work
        long = "true" if work is None else t.value(f"icmp sge i64 {integer(t, self.index, work)}, {RELEASING}")
        (thread,) = t.when(long, ("ptr",), ("null",), lambda: [self.ask("ptr", "PyEval_SaveThread")])
        code = t.value(f"call i32 @{self.signature.symbol}({', '.join(arguments)})")
        t.when(t.value(f"icmp ne ptr {thread}, null"), (), (), lambda: self.tell("PyEval_RestoreThread", f"ptr {thread}"))
        return code

    def results(self, code: str, outputs: list[str], out: str) -> None:
        """Returns one result, a named tuple of several or None; or raises what `code` says."""
        t = self.text
        failed, done = t.name("failed"), t.name("done")
        t.branch(t.value(f"icmp eq i32 {code}, 0"), done, failed)
        t.at(failed)
        site, index, bound = self.load("i32", self.error, 4), self.load("i64", self.error, 8), self.load("i64", self.error, 16)
        given = f"ptr {self.slot('fail')}, ptr {self.slot('failure_format')}, i32 {code}, i32 {site}, i64 {index}, i64 {bound}"
        nothing = t.value(f"call ptr (ptr, ptr, ...) {self.slot('PyObject_CallFunction')}({given})")
        self.tell("Py_DecRef", f"ptr {nothing}")
        t.jump("abandon")
        t.at(done)
        new = t.value(f"icmp eq ptr {out}, null")
        for count, found in zip(self.counts, self.signature.found, strict=True):
            self.index[found.size] = self.load("i64", count, 0)
        for n, port in enumerate(self.signature.outputs):
            if not port.shape:
                t.when(new, (), (), lambda n=n: self.scalar_result(n, outputs[n]))
            elif self.counted(n):
                extent = integer(t, self.index, port.shape[0])
                self.either(new, lambda n=n, extent=extent: self.shrunk(n, extent), lambda n=n, extent=extent: self.sliced(n, extent))
        match self.made:
            case []:
                self.tell("Py_IncRef", f"ptr {self.slot('None')}")
                t.do(f"ret ptr {self.slot('None')}")
            case [one]:
                t.do(f"ret ptr {self.load('ptr', one, 0)}")
            case _:
                self.named_tuple()

    def scalar_result(self, n: int, place: str) -> tuple[()]:
        scalar = self.ask("ptr", "PyArray_Scalar", f"ptr {place}", f"ptr {self.result_dtype(n)}", "ptr null")
        self.require(f"icmp ne ptr {scalar}, null", "abandon")
        self.text.do(f"store ptr {scalar}, ptr {self.made[n]}, align 8")
        return ()

    def shrunk(self, n: int, extent: str) -> list[str]:
        """Gives back what the new array for result `n` has beyond the extent found."""
        t, shape, dims = self.text, self.shapes[n], self.text.reserve("i64", 2)

        def shrink() -> tuple[()]:
            t.do(f"store i64 {extent}, ptr {shape}, align 8")
            t.do(f"store ptr {shape}, ptr {dims}, align 8")
            t.do(f"store i32 {len(self.signature.outputs[n].shape)}, ptr {self.beside(dims, 8)}, align 8")
            nothing = self.ask("ptr", "PyArray_Resize", f"ptr {self.load('ptr', self.made[n], 0)}", f"ptr {dims}", "i32 0", "i32 0")
            self.require(f"icmp ne ptr {nothing}, null", "abandon")
            return self.tell("Py_DecRef", f"ptr {nothing}")

        t.when(t.value(f"icmp ne i64 {extent}, {self.load('i64', shape, 0)}"), (), (), shrink)
        return []

    def sliced(self, n: int, extent: str) -> list[str]:
        """Puts the beginning of the array given for result `n` in its place."""
        array = self.load("ptr", self.made[n], 0)
        part = self.ask("ptr", "PySequence_GetSlice", f"ptr {array}", "i64 0", f"i64 {extent}")
        self.tell("Py_DecRef", f"ptr {array}")
        self.text.do(f"store ptr {part}, ptr {self.made[n]}, align 8")
        self.require(f"icmp ne ptr {part}, null", "abandon")
        return []

    def named_tuple(self) -> None:
        t, pair = self.text, self.text.reserve("ptr", 2)
        items = self.ask("ptr", "PyTuple_New", f"i64 {len(self.made)}")
        self.require(f"icmp ne ptr {items}, null", "abandon")
        for n, made in enumerate(self.made):
            self.ask("i32", "PyTuple_SetItem", f"ptr {items}", f"i64 {n}", f"ptr {self.load('ptr', made, 0)}")
        t.do(f"store ptr {self.slot('result')}, ptr {pair}, align 8")
        t.do(f"store ptr {items}, ptr {self.beside(pair, 8)}, align 8")
        named = self.ask("ptr", "PyObject_Vectorcall", f"ptr {self.slot('tuple_new')}", f"ptr {pair}", "i64 2", "ptr null")
        self.tell("Py_DecRef", f"ptr {items}")
        t.do(f"ret ptr {named}")

    def slow(self) -> None:
        """Where the straight line is left."""
        t = self.text
        t.at("unmade")  # Python tells which sizes there was no memory for
        self.tell("PyErr_Clear")
        t.jump("retreat")
        for label, after in (("abandon", "raise"), ("retreat", "slow")):
            t.at(label)
            for made in self.made:
                self.tell("Py_DecRef", f"ptr {self.load('ptr', made, 0)}")
            t.jump(after)
        t.at("raise")
        t.do("ret ptr null")
        t.at("slow")
        answer = self.ask("ptr", "PyObject_Vectorcall", f"ptr {self.slot('slow')}", "ptr %arguments", "i64 %count", "ptr %names")
        t.do(f"ret ptr {answer}")

    # Words of this machine

    def ask(self, type: str, function: str, *given: str) -> str:
        """What a function of the table returns."""
        return self.text.value(f"call {type} {self.slot(function)}({', '.join(given)})")

    def tell(self, function: str, *given: str) -> tuple[()]:
        self.text.do(f"call void {self.slot(function)}({', '.join(given)})")
        return ()

    def load(self, type: str, base: str, offset: int) -> str:
        return self.text.value(f"load {type}, ptr {self.beside(base, offset)}, align {_ALIGNMENT[type]}")

    def beside(self, base: str, offset: int) -> str:
        return self.text.value(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def slot(self, name: str, type: str = "ptr") -> str:
        """What the table holds under a name."""
        return self.load(type, self.table, 8 * fast.SLOTS[name])

    def items(self, holder: str) -> str:
        """The address of what a tuple holds."""
        return self.text.value(f"getelementptr i8, ptr {holder}, i64 {self.slot('items', 'i64')}")

    def place(self, number: int) -> str:
        return self.load("ptr", self.table, 8 * number)

    def result_dtype(self, n: int) -> str:
        return self.place(fast.output_slot(len(self.signature.inputs), n))

    def require(self, condition: str, otherwise: str = "slow") -> None:
        t, good = self.text, self.text.name("good")
        t.branch(t.value(condition), good, otherwise)
        t.at(good)

    def either(self, condition: str, then: Callable[[], list[str]], otherwise: Callable[[], list[str]]) -> list[str]:
        """The pointers that `then` gives where `condition` holds, else those of `otherwise`."""
        t, ways = self.text, list[tuple[list[str], str]]()
        first, second, after = t.name("then"), t.name("else"), t.name("after")
        t.branch(condition, first, second)
        for label, make in ((first, then), (second, otherwise)):
            t.at(label)
            ways.append((make(), t.label))
            t.jump(after)
        t.at(after)
        (mine, here), (other, there) = ways
        return [t.value(f"phi ptr [ {m}, %{here} ], [ {o}, %{there} ]") for m, o in zip(mine, other, strict=True)]

    def acquired(self, lock: str) -> str:
        return self.ask("i32", "PyThread_acquire_lock", f"ptr {lock}", "i32 0")

    def unlock(self, lock: str) -> tuple[()]:
        return self.tell("PyThread_release_lock", f"ptr {lock}")


_ALIGNMENT = {"ptr": 8, "i64": 8, "double": 8, "i32": 4, "float": 4, "i16": 2, "i8": 1}
