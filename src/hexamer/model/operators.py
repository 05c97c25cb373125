"""Registering functions as torch operators.

An operator is one step to all of torch: autograd, autocast, checkpointing, sharding and the compiler see its name, not
its inside. `torch.library.custom_op` would do the same, but imports the compiler on its first call: a second.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_LIBRARY = torch.library.Library("hexamer", "DEF")


def operator(
    shapes: Callable[..., Any], gradients: Callable[..., Any] | None = None, *, keep_results: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function of CPU tensors the operator `hexamer::<its name>`.

    Parameters
    ----------
    shapes : callable
        Of the function's arguments: empty tensors like its results.
    gradients : callable, optional
        Of (ctx, *gradients of the results): the arguments' gradients. `ctx.saved_tensors` has the arguments that are
        tensors or None, in their order. Without it, asking for gradients is an error.
    keep_results : bool
        Have the results in `ctx.saved_tensors` too, after the arguments.

    Returns
    -------
    callable
        A decorator; the function's annotations become the operator's signature.
    """

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        results = output if isinstance(output, tuple) else (output,)
        saved = (*inputs, *results) if keep_results else inputs
        ctx.save_for_backward(*(x for x in saved if x is None or isinstance(x, torch.Tensor)))

    def register(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__
        _LIBRARY.define(name + torch.library.infer_schema(function, mutates_args=()))
        _LIBRARY.impl(name, function, "CPU")
        torch.library.register_fake(f"hexamer::{name}", shapes, lib=_LIBRARY)

        def missing(ctx: Any, *gradient: Any) -> Any:
            raise NotImplementedError(f"{name} has no gradients; HEXAMER_NATIVE=0 makes torch's own operators run")

        torch.library.register_autograd(f"hexamer::{name}", gradients or missing, setup_context=keep, lib=_LIBRARY)
        registered = getattr(torch.ops.hexamer, name)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            result: R = registered(*args, **kwargs)
            return result

        return call

    return register
