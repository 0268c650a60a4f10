"""Compiling networks one by one, whatever class their forward pass is of."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch._functorch.config
from torch import nn


def compile_network(network: nn.Module, *, backend: Any = "inductor") -> None:
    """Have calls of `network` compiled; what they compute stays the same.

    `nn.Module.compile` starts from a method of torch.nn, whose frames Dynamo does not trace (pytorch #150915): of a
    chain of torch's own layers nothing would be compiled. Here a function of ours stands around it. Each network gets
    code of its own, since Dynamo keeps its graphs, and counts them, by code.

    Args:
        network: changed in place; copies of it are not compiled.
        backend: of torch.compile.
    """
    # Both players' gradients walk a discriminator's graph, so its saved tensors must outlive the first walk.
    torch._functorch.config.donated_buffer = False

    def call(*inputs: Any) -> Any:
        return network._call_impl(*inputs)  # type: ignore[no-untyped-call]

    forward = FunctionType(call.__code__.replace(), call.__globals__, type(network).__name__, None, call.__closure__)
    network._compiled_call_impl = torch.compile(forward, backend=backend)
