"""From the syntax tree to the IR.

`elaborate` gives the module of a program, `elaborate_tests` its tests, `failures` what a test's results say.  The
parts call one another as the language nests: `statements` run blocks,
`expressions` say what each expression stands for, `calls` and `expand` calls,
`definitions` definitions by index, `control` if and loop.  A `context.Frame` is
the place they speak of.
"""

from flowc.lang.elaborate.context import GradientCheck as GradientCheck, TestCheck as TestCheck
from flowc.lang.elaborate.program import (
    ElaborateOptions as ElaborateOptions,
    Test as Test,
    elaborate as elaborate,
    elaborate_tests as elaborate_tests,
)
from flowc.lang.elaborate.verdict import failures as failures
