"""The forms of XnorConv2d: what comes before and after the convolution within one operator, as its name says."""

from dataclasses import dataclass
from itertools import product

_NAME = "XnorConv2d"


@dataclass(frozen=True)
class ConvolutionForm:
    """One of the 16 operators `XnorConv2d[FromSigns][Add][Prelu][ToSigns]`."""

    from_signs: bool = False
    add: bool = False
    prelu: bool = False
    to_signs: bool = False

    @classmethod
    def of(cls, operator: str) -> "ConvolutionForm | None":
        """The form that an operator's name states; None for any other operator."""
        return _FORMS.get(operator)

    @property
    def operator(self) -> str:
        parts = {"FromSigns": self.from_signs, "Add": self.add, "Prelu": self.prelu, "ToSigns": self.to_signs}
        return _NAME + "".join(part for part, present in parts.items() if present)

    @property
    def inputs(self) -> list[str]:
        """The operator's inputs in their order."""
        optional = {"residual": self.add, "slope": self.prelu, "next_threshold": self.to_signs}
        source = ["signs"] if self.from_signs else ["x", "threshold"]
        return [*source, "weight", "scale", "bias", *(name for name, present in optional.items() if present)]


_FORMS = {form.operator: form for form in (ConvolutionForm(*parts) for parts in product((False, True), repeat=4))}
OPERATORS: tuple[str, ...] = tuple(_FORMS)
"""The 16 names."""
