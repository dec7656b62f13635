"""Graphs with scans, each for one way of what is carried and stacked; BACK stands where a scan may go backwards."""

from __future__ import annotations

RNN = """
func @f[T in 0..](%x: f32[T, 4, 8], %h0: f32[4, 16], %w: f32[8, 16], %u: f32[16, 16]) -> (%h: f32[4, 16], %ys: f32[T, 4, 16]) {
  %h, %ys = scan [%x], [%h0], [T]BACK : f32[4, 16], f32[T, 4, 16] (%t: index[T], %s: f32[4, 8], %c: f32[4, 16]) {
    %a = matmul %s, %w : f32[4, 16]
    %b = matmul %c, %u : f32[4, 16]
    %0 = add %a, %b : f32[4, 16]
    %n = tanh %0 : f32[4, 16]
    yield %n, %n
  }
  return %h, %ys
}
"""

# A carry and an emit that is another value, stacks of both carries, one of which is only counted.
STACKED = """
func @f[T in 0.., N in 0..](%x: f32[T, N], %h0: f32[N], %k0: i64) -> (%h: f32[N], %k: i64, %ys: f32[T, N], %hs: f32[T, N], %ks: i64[T]) {
  %1 = constant value=1 : i64
  %h, %k, %ys, %hs, %ks = scan [%x], [%h0, %k0], [T]BACK stacked=true : f32[N], i64, f32[T, N], f32[T, N], i64[T]
      (%t: index[T], %s: f32[N], %c: f32[N], %j: i64) {
    %n = add %c, %s : f32[N]
    %y = multiply %n, %c : f32[N]
    %i = size [%t] : i64
    %m = add %j, %i : i64
    yield %n, %m, %y
  }
  return %h, %k, %ys, %hs, %ks
}
"""

# What is emitted is carried on, stacked, and emitted twice; another carry is handed the first.
SHARED = """
func @f[T in 0..](%x: f32[T, 3], %h0: f32[3], %g0: f32[3]) -> (%g: f32[3], %ys: f32[T, 3], %zs: f32[T, 3], %hs: f32[T, 3], %gs: f32[T, 3]) {
  %h, %g, %ys, %zs, %cs, %hs, %gs = scan [%x], [%h0, %g0], [T]BACK stacked=true
      : f32[3], f32[3], f32[T, 3], f32[T, 3], f32[T, 3], f32[T, 3], f32[T, 3] (%t: index[T], %s: f32[3], %c: f32[3], %d: f32[3]) {
    %r = slice %c, [2], [3] step=(-1) : f32[3]
    %a = add %r, %d : f32[3]
    %n = add %a, %s : f32[3]
    yield %n, %c, %n, %n, %c
  }
  return %g, %ys, %zs, %hs, %gs
}
"""

# Values that swap places, one that stays, one that is forgotten, one that nothing reads.
SWAPPED = """
func @f[T in 0..](%x: f32[T, 5], %a0: f32[5], %b0: f32[5], %k: f32[5]) -> (%a: f32[5], %b: f32[5], %c: f32[5]) {
  %a, %b, %c, %d, %e, %unread = scan [%x], [%a0, %b0, %k, %a0, %b0], [T]BACK
      : f32[5], f32[5], f32[5], f32[5], f32[5], f32[T, 5]
      (%t: index[T], %s: f32[5], %p: f32[5], %q: f32[5], %g: f32[5], %u: f32[5], %v: f32[5]) {
    %r = slice %v, [4], [5] step=(-1) : f32[5]
    %w = add %r, %s : f32[5]
    %z = multiply %w, %u : f32[5]
    yield %q, %p, %g, %z, %w, %z
  }
  return %a, %b, %c
}
"""

# A scan in a scan: the inner one's stacks are emitted, its carry carried on.
NESTED = """
func @f[T in 0..](%x: f32[T, 6, 4], %h0: f32[4]) -> (%h: f32[4], %ys: f32[T, 6, 4], %hs: f32[T, 6, 4]) {
  %h, %ys, %hs = scan [%x], [%h0], [T]BACK : f32[4], f32[T, 6, 4], f32[T, 6, 4] (%t: index[T], %s: f32[6, 4], %c: f32[4]) {
    %n, %es, %ns = scan [%s], [%c], [6] backwards=true stacked=true : f32[4], f32[6, 4], f32[6, 4] (%i: index[6], %q: f32[4], %d: f32[4]) {
      %r = slice %d, [3], [4] step=(-1) : f32[4]
      %m = add %r, %q : f32[4]
      %e = multiply %m, %q : f32[4]
      yield %m, %e
    }
    yield %n, %es, %ns
  }
  return %h, %ys, %hs
}
"""

# A branch and a loop in a scan; the loop's stacks are read there.
CONTROL = """
func @f[T in 0..](%x: f32[T, 4], %h0: f32[4]) -> (%h: f32[4], %ys: f32[T, 4]) {
  %0 = constant value=0.0 : f32
  %zero = constant value=0 : i64
  %one = constant value=1 : i64
  %h, %ys = scan [%x], [%h0], [T]BACK : f32[4], f32[T, 4] (%t: index[T], %s: f32[4], %c: f32[4]) {
    %sum = sum %s axis=(0) : f32
    %which = less %sum, %0 : bool
    %n = cond %which : f32[4] () {
      %a = add %c, %s : f32[4]
      yield %a
    } () {
      %b = multiply %c, %s : f32[4]
      yield %b
    }
    %i = size [%t] : i64
    %v, %k, %count, %vs, %ks = loop [%n, %zero], [T + 1] stacked=true : f32[4], i64, i64, f32[T + 1, 4], i64[T + 1] (%v: f32[4], %k: i64) {
      %g = less %k, %i : bool
      yield %g
    } (%v: f32[4], %k: i64) {
      %m = add %v, %n : f32[4]
      %l = add %k, %one : i64
      yield %m, %l
    }
    %first = slice %vs, [0, 0], [1, 4] step=(1, 1) : f32[1, 4]
    yield %n, %v
  }
  return %h, %ys
}
"""

# The steps are counted by the run.
COUNTED = """
func @f(%x: f32[8, 3], %k: i64, %h0: f32[3]) -> (%h: f32[3], %total: f32[3]) {
  %n = dynamic_size %k, [9] : index[9]
  %h, %ys = scan [], [%h0], [%n]BACK : f32[3], f32[%n, 3] (%t: index[%n], %c: f32[3]) {
    %e = define : f32[3] (%i: index[3]) {
      %r = read %x, [%t, %i] : f32
      yield %r
    }
    %r = slice %c, [2], [3] step=(-1) : f32[3]
    %m = add %r, %e : f32[3]
    yield %m, %m
  }
  %total = sum %ys axis=(0) : f32[3]
  return %h, %total
}
"""

LOOPED = """
func @f(%x: f32[5], %k: i64) -> (%y: f32[5], %count: i64, %total: f32[5]) {
  %zero = constant value=0 : i64
  %one = constant value=1 : i64
  %0 = constant value=0.0 : f32
  %y, %n, %count, %ys, %ns = loop [%x, %zero], [7] stacked=true : f32[5], i64, i64, f32[7, 5], i64[7] (%v: f32[5], %n: i64) {
    %c = less %n, %k : bool
    yield %c
  } (%v: f32[5], %n: i64) {
    %w = multiply %v, %x : f32[5]
    %m = add %n, %one : i64
    yield %w, %m
  }
  %total = define : f32[5] (%i: index[5]) {
    %s = reduce fold="sum" : f32 (%t: index[7]) {
      %r = read %ys, [%t, %i] : f32
      %at = size [%t] : i64
      %rounds = read %count : i64
      %before = less %at, %rounds : bool
      %none = read %0 : f32
      %e = where %before, %r, %none : f32
      yield %e
    }
    yield %s
  }
  return %y, %count, %total
}
"""

# What is carried is read at the element computed alone: one kernel.
ELEMENTS = """
func @f[T in 0.., N in 0..](%x: f32[T, N, 3], %h0: f32[N, 3], %k: f32[3]) -> (%h: f32[N, 3], %ys: f32[T, N, 3], %hs: f32[T, N, 3]) {
  %zero = constant value=0 : i64
  %one = constant value=1 : i64
  %none = constant value=0 : i64[N, 3]
  %h, %n, %ys, %ns, %hs, %counts = scan [%x], [%h0, %none], [T]BACK stacked=true
      : f32[N, 3], i64[N, 3], f32[T, N, 3], i64[T, N, 3], f32[T, N, 3], i64[T, N, 3]
      (%t: index[T], %s: f32[N, 3], %c: f32[N, 3], %n: i64[N, 3]) {
    %m = add %n, %one : i64[N, 3]
    %f = cast %m dtype=f32 : f32[N, 3]
    %g = multiply %c, %k : f32[N, 3]
    %e = exp %s : f32[N, 3]
    %a = add %g, %e : f32[N, 3]
    %y = divide %a, %f : f32[N, 3]
    yield %a, %m, %y, %m
  }
  return %h, %ys, %hs
}
"""

NUMBERS = """
func @f[T in 0..](%x: f32[T], %h0: f32) -> (%h: f32, %ys: f32[T], %evens: bool[T]) {
  %true = constant value=true : bool
  %h, %p, %ys, %evens = scan [%x], [%h0, %true], [T]BACK : f32, bool, f32[T], bool[T] (%t: index[T], %s: f32, %c: f32, %p: bool) {
    %n = add %c, %s : f32
    %q = logical_not %p : bool
    %i = size [%t] : f32
    %y = multiply %n, %i : f32
    yield %n, %q, %y, %p
  }
  return %h, %ys, %evens
}
"""

# Values that swap places, are forgotten, or stay; another axis of a sequence is read.
HANDED = """
func @f[T in 0..](%x: f32[70, T], %a0: f64[70], %b0: f64[70]) -> (%a: f64[70], %b: f64[70], %c: f64[70], %bs: f64[T, 70], %cs: f64[T, 70]) {
  %y = transpose %x perm=(1, 0) : f32[T, 70]
  %a, %b, %c, %bs, %cs = scan [%y], [%a0, %b0, %a0], [T]BACK : f64[70], f64[70], f64[70], f64[T, 70], f64[T, 70]
      (%t: index[T], %s: f32[70], %p: f64[70], %q: f64[70], %r: f64[70]) {
    %w = cast %s dtype=f64 : f64[70]
    %v = subtract %p, %w : f64[70]
    yield %q, %v, %r, %v, %r
  }
  return %a, %b, %c, %bs, %cs
}
"""

# Nothing is carried: elements at each step.
APART = """
func @f[T in 0..](%x: f32[T, 6], %k: f32[6]) -> (%ys: f32[T, 6], %zs: f32[T]) {
  %ys, %zs = scan [%x], [], [T]BACK : f32[T, 6], f32[T] (%t: index[T], %s: f32[6]) {
    %y = multiply %s, %k : f32[6]
    %z = size [%t] : f32
    yield %y, %z
  }
  return %ys, %zs
}
"""

# How far a sum goes is the step's to say.
CAUSAL = """
func @f[T in 0..](%x: f32[T, 5], %h0: f32[5]) -> (%h: f32[5], %ys: f32[T, 5]) {
  %h, %ys = scan [], [%h0], [T]BACK : f32[5], f32[T, 5] (%t: index[T], %c: f32[5]) {
    %e = define : f32[5] (%i: index[5]) {
      %a = reduce fold="sum" : f32 (%k: index[%t + 1]) {
        %r = read %x, [%k, %i] : f32
        yield %r
      }
      yield %a
    }
    %n = add %c, %e : f32[5]
    yield %n, %e
  }
  return %h, %ys
}
"""

# What is carried and stacked has a size that only the run knows.
SIZED = """
func @f[T in 0..](%x: f32[T, 8], %k: i64) -> (%total: f32[8], %firsts: f32[T]) {
  %n = dynamic_size %k, [9] : index[9]
  %zero = constant value=0.0 : f32[%n]
  %h, %ys, %hs = scan [%x], [%zero], [T]BACK stacked=true : f32[%n], f32[T, %n], f32[T, %n] (%t: index[T], %s: f32[8], %c: f32[%n]) {
    %m = define : f32[%n] (%i: index[%n]) {
      %a = read %c, [-%i + %n - 1] : f32
      %r = read %s, [%i] : f32
      %b = add %a, %r : f32
      yield %b
    }
    %y = multiply %m, %m : f32[%n]
    yield %m, %y
  }
  %a = sum %ys axis=(1) : f32[T]
  %b = sum %hs axis=(1) : f32[T]
  %firsts = add %a, %b : f32[T]
  %c = sum %h axis=(0) : f32
  %d = constant value=0.0 : f32[8]
  %total = add %d, %c : f32[8]
  return %total, %firsts
}
"""

# What a scan that carries nothing reads is made outside of it, by another scan.
OUTSIDE = """
func @f[T in 0..](%x: f32[T], %y: f32[3, T]) -> (%zs: f32[T]) {
  %h0 = constant value=0.5 : f32
  %one = constant value=1.0 : f32
  %total, %sums = scan [%x], [%h0], [T]BACK : f32, f32[T] (%t: index[T], %s: f32, %c: f32) {
    %n = add %c, %s : f32
    yield %n, %n
  }
  %last, %a = scan [%y], [%sums], [3]BACK : f32[T], f32[3] (%t: index[3], %s: f32[T], %c: f32[T]) {
    %m = add %c, %s : f32[T]
    %b = sum %m axis=(0) : f32
    yield %m, %b
  }
  %e = negative %last : f32[T]
  %zs = scan [%e], [], [T]BACK : f32[T] (%t: index[T], %s: f32) {
    %z = add %s, %one : f32
    yield %z
  }
  return %zs
}
"""

# A recurrence inside a scan, over rows that the outer step names.
ROWS = """
func @f[T in 0.., N in 0..](%x: f32[T, N, 4], %h0: f32[4]) -> (%h: f32[4], %ys: f32[T, N, 4]) {
  %h, %ys = scan [%x], [%h0], [T]BACK : f32[4], f32[T, N, 4] (%t: index[T], %s: f32[N, 4], %c: f32[4]) {
    %r = slice %c, [3], [4] step=(-1) : f32[4]
    %n, %es = scan [%s], [%r], [N] : f32[4], f32[N, 4] (%i: index[N], %q: f32[4], %d: f32[4]) {
      %m = add %d, %q : f32[4]
      yield %m, %m
    }
    yield %n, %es
  }
  return %h, %ys
}
"""

GRAPHS = {
    "rnn": RNN, "stacked": STACKED, "shared": SHARED, "swapped": SWAPPED, "nested": NESTED, "control": CONTROL, "counted": COUNTED,
    "elements": ELEMENTS, "numbers": NUMBERS, "handed": HANDED, "apart": APART, "rows": ROWS,
    "causal": CAUSAL, "sized": SIZED, "outside": OUTSIDE,
}  # fmt: skip
ALONE = ("elements", "numbers", "handed", "apart")  # scans that are one kernel, or none
