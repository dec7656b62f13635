"""Native code for the tests of this folder."""

from collections.abc import Callable

import llvmlite.binding as llvm
import pytest


@pytest.fixture(scope="session")
def native() -> Callable[[str], Callable[[str], int]]:
    """Compiles LLVM text; the result gives the address of a function by its name and keeps the code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()

    def compiled(text: str) -> Callable[[str], int]:
        module = llvm.parse_assembly(text)
        module.verify()
        machine = llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name(), opt=2)
        builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
        builder.getModulePassManager().run(module, builder)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        return engine.get_function_address

    return compiled
