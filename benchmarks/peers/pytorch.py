"""PyTorch, eager, fp32."""

import functools
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from benchmarks.contenders import Contender
from benchmarks.interleaved import Call
from benchmarks.layers import Convolution, Layer, Linear, Recurrent
from benchmarks.peers.peer import Make, Network, Peer


class PyTorch(Peer):
    """One thread, inference mode."""

    name = "torch"
    names = ("torch-fp32",)

    def __init__(self) -> None:
        torch.set_num_threads(1)

    def layer(self, layer: Layer) -> dict[str, Make]:
        return {"torch-fp32": lambda: _contender(_module(layer), layer.feeds())}

    def network(self, network: Network) -> dict[str, Make]:
        assert isinstance(network.module, nn.Module)
        return {"torch-fp32": functools.partial(_contender, network.module, network.feeds)}


def _module(layer: Layer) -> nn.Module:
    if isinstance(layer, Convolution):
        return nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding)
    if isinstance(layer, Linear):
        return nn.Linear(layer.inputs, layer.outputs)
    assert isinstance(layer, Recurrent)
    return {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[layer.op](layer.inputs, layer.hidden)


def _contender(module: nn.Module, feeds: Mapping[str, np.ndarray]) -> Contender:
    return Contender("torch", "full", _call(module, feeds), peer="torch-fp32")


def _call(module: nn.Module, feeds: Mapping[str, np.ndarray]) -> Call:
    (x,) = (torch.from_numpy(value) for value in feeds.values())
    module.eval()

    def call() -> object:
        with torch.inference_mode():
            return module(x)

    return call
