"""How Numba turns functions into machine code, without what nobody runs.

Numba optimises a function and makes machine code of it, and once more in every function that calls it. Here

    a function that another's compilation asks for    is optimised, and becomes machine code with its callers, and alone if Python calls it
    a function that Python calls                      is optimised with what is inlined into it; others stand beside it as they are

So a kernel is worked on once, and its instructions are the same wherever it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import register_pass
from numba.core.environment import lookup_environment
from numba.core.targetconfig import ConfigStack
from numba.core.typed_passes import NativeLowering

__all__ = ["Called", "Pipeline", "add"]


class _Library(JITCodeLibrary):
    """A function, with those that it calls beside it."""

    def __init__(self, codegen: Any, name: str):
        super().__init__(codegen, name)
        self._beside: dict[Called, None] = {}

    def add_linking_library(self, library: Any) -> None:
        if isinstance(library, Called) and not library.inlined:
            library._ensure_finalized()
            self._beside[library] = None
        else:
            super().add_linking_library(library)

    def _optimize_final_module(self) -> None:
        super()._optimize_final_module()
        for library in self._beside:
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)

    def set_environments(self) -> None:
        """What the functions beside this one refer to, which Numba sets for a function with machine code of its own."""
        codegen: Any = self._codegen                      # of which only a base is declared
        for variable in self._final_module.global_variables:
            found = lookup_environment(variable.name) if variable.name.startswith("_ZN08NumbaEnv") else None
            if found is not None:
                codegen.set_env(variable.name, found)


class Called(_Library):
    """A function for its callers: optimised, without machine code until Python calls it."""

    inlined = False
    wrapper = ""                                          # the function for calls from Python, which callers have no use for
    save: Callable[[], None] | None = None                # on disk, once there is machine code

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        module = super()._get_module_for_linking()
        module.get_function(self.wrapper).linkage = Linkage.available_externally
        return module

    def become_machine_code(self) -> None:
        super()._finalize_final_module()
        if self.save is not None:
            self.save()


class _Entry:
    """What Python calls first where a function was compiled for others."""

    def __init__(self, *function: Any):
        self.function, self.made, self.ready = function, None, lambda made: None

    def __call__(self, *arguments: Any) -> Any:
        with global_compiler_lock:
            if self.made is None:
                context, library, description, environment = self.function
                library.become_machine_code()
                self.made = context.get_executable(library, description, environment)
                library.set_environments()
                self.ready(self.made)
        return self.made(*arguments)                                       # type: ignore[misc]


def add(dispatcher: Any, result: Any) -> None:
    """Numba's `add_overload`, where calls from Python find machine code only if there is some."""
    if isinstance(result.library, Called):
        types = tuple(result.signature.args)
        dispatcher.overloads[types] = result
        result.entry_point.ready = lambda made: dispatcher._insert([t._code for t in types], made, False)
    else:
        type(dispatcher).add_overload(dispatcher, result)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    """Numba's, into a library of ours."""

    _name = "native_lowering"

    def run_pass(self, state: Any) -> bool:
        called = len(ConfigStack()) > 1                   # within the compilation of another function
        library: _Library = (Called if called else _Library)(state.targetctx.codegen(), state.func_id.func_qualname)
        library.enable_object_caching()
        state.library, state.flags.no_compile = library, called
        super().run_pass(state)
        if isinstance(library, Called):
            made = state.cr
            library.inlined, library.wrapper = state.flags.forceinline, made.fndesc.llvm_cpython_wrapper_name
            entry = _Entry(state.targetctx, library, made.fndesc, made.env)
            state.targetctx.insert_user_function(entry, made.fndesc, [library])
            state.cr = made._replace(cfunc=entry)
        else:
            library.set_environments()
        return True


class Pipeline(Compiler):
    """Numba's compiler with this last step."""

    def define_pipelines(self) -> list[Any]:
        managers = super().define_pipelines()
        for manager in managers:
            manager.passes = [(_Lowering if step is NativeLowering else step, text) for step, text in manager.passes]
            manager.finalize()
        return managers                                                    # type: ignore[no-any-return]
