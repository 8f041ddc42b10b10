"""Errors. Everything that a user can cause derives from `GraphcError`; `InternalError` is a bug of graphc.

A message says what is wrong and where, why it usually happens, and the way out.
"""

from __future__ import annotations

__all__ = ["GraphcError", "FormulaError", "DimError", "DtypeError", "BindingError", "BindingTypeError",
           "DifferentiationError", "TargetError", "DeviceError", "RenderError", "CacheError", "InternalError"]


class GraphcError(Exception):
    """Base of all errors that a user can cause."""


class FormulaError(GraphcError, ValueError):
    """A formula that cannot be read or is not well formed."""


class DimError(GraphcError, ValueError):
    """Dims that clash, an axis that does not exist, an index that runs past its extent."""


class DtypeError(GraphcError, TypeError):
    """A tensor of a kind that an operation does not take."""


class BindingError(GraphcError, ValueError):
    """A Program was called with data that do not fit its inputs."""


class BindingTypeError(BindingError, TypeError):
    """A Program was called with data of the wrong dtype, or with missing or unknown names."""


class DifferentiationError(GraphcError, ValueError):
    """A derivative that does not exist, or was asked of the wrong thing."""


class TargetError(GraphcError, ValueError):
    """A target or dtype to compile for that graphc does not have, or that this machine cannot run."""


class DeviceError(GraphcError, RuntimeError):
    """A device failed while it ran a Program: it is out of memory, or its context is lost."""


class RenderError(GraphcError, RuntimeError):
    """A picture that cannot be drawn or written."""


class CacheError(GraphcError, OSError):
    """The folder for generated kernels cannot be used."""


class InternalError(Exception):
    """A bug in graphc: a stage broke its own law. Please report it with the formula."""
