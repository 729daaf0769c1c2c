"""pack_layers(): put packed modules in the place of the layers that have one."""

from torch import nn

from edgenet.exporter.packed import PackedConvolution, PackedLinear
from edgenet.exporter.packed_dirac import packed_dirac
from edgenet.exporter.packed_embedding import PackedBinaryEmbedding, PackedInt8Embedding
from edgenet.exporter.packed_int8 import PackedInt8Convolution, PackedInt8Linear
from edgenet.exporter.packed_recurrent import PackedRNN
from edgenet.exporter.standard_recurrent import StandardRNN, has_standard_node
from edgenet.nn import BinaryLinear, DiracConv2d, Int8Linear
from edgenet.nn.embeddings import BinaryEmbedding, Int8Embedding
from edgenet.nn.int8 import Int8Convolution
from edgenet.nn.layers import BinaryConvolution
from edgenet.nn.recurrent import BinaryRNNBase


def pack_layers(model: nn.Module) -> nn.Module:
    """Replace, in place, binary, 8-bit and recurrent layers by their packed modules; returns the model's new root."""
    return _pack(model, {}).eval()


def _pack(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    if module not in done:
        done[module] = _packed(module) or module
        if done[module] is module:
            for key, child in module._modules.items():
                if child is not None:
                    module._modules[key] = _pack(child, done)
    return done[module]


def _packed(module: nn.Module) -> nn.Module | None:
    if isinstance(module, BinaryConvolution):
        return PackedConvolution(module)
    if isinstance(module, BinaryLinear):
        return PackedLinear.of(module)
    if isinstance(module, Int8Convolution):
        return PackedInt8Convolution(module)
    if isinstance(module, Int8Linear):
        return PackedInt8Linear.of(module)
    if isinstance(module, DiracConv2d):
        return packed_dirac(module)
    if isinstance(module, BinaryEmbedding):
        return PackedBinaryEmbedding(module)
    if isinstance(module, Int8Embedding):
        return PackedInt8Embedding(module)
    if isinstance(module, BinaryRNNBase):
        return PackedRNN(module)
    if isinstance(module, nn.RNNBase) and has_standard_node(module):
        return StandardRNN(module)
    return None
