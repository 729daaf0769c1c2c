"""What a convolution with a skip in its kernel becomes for export: one convolution, or a packed one beside its skip."""

from torch import Tensor, nn

from edgenet.exporter.packed import PackedConvolution
from edgenet.nn import BinaryConv2d, DiracConv2d
from edgenet.nn.dirac import skip_connection


class PackedDiracConv2d(nn.Module):
    """A binary convolution that has taken in its factor, and the skip connection."""

    skip: Tensor

    def __init__(self, layer: DiracConv2d) -> None:
        super().__init__()
        assert isinstance(layer.conv, BinaryConv2d)
        self.conv = PackedConvolution(layer.conv)
        self.conv.scale *= layer.branch_factor().detach()
        self.register_buffer("skip", layer.skip.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + skip_connection(x, self.skip)


def packed_dirac(layer: DiracConv2d) -> nn.Module | None:
    """The module that stands for `layer`; None where its convolution has become neither float nor binary."""
    if isinstance(layer.conv, BinaryConv2d):
        return PackedDiracConv2d(layer)
    return layer.folded() if type(layer.conv) is nn.Conv2d else None
