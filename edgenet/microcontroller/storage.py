"""Where values lie while the network runs: one block of static memory, shared by those that never live together."""

from dataclasses import dataclass, field

_ALIGNMENT = 4
_TYPES = {"float": ("float", 4), "bits": ("uint32_t", 4), "int32": ("int32_t", 4), "int16": ("int16_t", 2),
          "int8": ("int8_t", 1)}  # fmt: skip


@dataclass(eq=False)
class Buffer:
    """Room for some numbers; `bits` are words of packed signs."""

    name: str
    kind: str
    count: int
    """Of numbers, or of words; of each step where `has_rows`."""
    has_rows: bool = False
    pointer: str | None = None
    """What it is called in C where it is no part of the block: an argument, or a constant."""
    first: int | None = None
    last: int = -1
    offset: int = 0

    @property
    def c_type(self) -> str:
        return _TYPES[self.kind][0]

    def size(self, steps: int) -> int:
        """In bytes, rounded up."""
        size = self.count * _TYPES[self.kind][1] * (steps if self.has_rows else 1)
        return -(-size // _ALIGNMENT) * _ALIGNMENT

    def use(self, moment: int) -> None:
        """Note that it is alive at a moment."""
        self.first = moment if self.first is None else min(self.first, moment)
        self.last = max(self.last, moment)

    @property
    def expression(self) -> str:
        if self.pointer is not None:
            return self.pointer
        return f"(({self.c_type} *)(void *)(memory.bytes + {self.offset}))"


@dataclass(frozen=True)
class Place:
    """A value's part of a buffer."""

    buffer: Buffer
    start: str = ""
    """C expression of where it begins, in numbers; empty for 0."""
    as_bytes: bool = False
    """Whether it is read as bytes, which every compiler lets be the parts of words."""
    end: str = ""
    """C expression of what is added to the pointer at last."""

    @property
    def expression(self) -> str:
        text = f"{self.buffer.expression} + {self.start}" if self.start else self.buffer.expression
        text = f"(uint8_t *)({text})" if self.as_bytes else text
        return f"{text} + {self.end}" if self.end else text


@dataclass
class Memory:
    """The buffers of a network."""

    buffers: list[Buffer] = field(default_factory=list)

    def add(self, buffer: Buffer) -> Buffer:
        self.buffers.append(buffer)
        return buffer

    def plan(self, steps: int) -> int:
        """Give every buffer its offset; the largest first, each at the lowest place that is free while it is alive.

        Returns the bytes of the whole block.
        """
        placed: list[Buffer] = []
        inner = [buffer for buffer in self.buffers if buffer.pointer is None and buffer.first is not None]
        for buffer in sorted(inner, key=lambda buffer: -buffer.size(steps)):
            assert buffer.first is not None
            offset = 0
            others = [
                other for other in placed if other.first is not None
                and other.first <= buffer.last and buffer.first <= other.last
            ]  # fmt: skip
            for other in sorted(others, key=lambda other: other.offset):
                if offset + buffer.size(steps) <= other.offset:
                    break
                offset = max(offset, other.offset + other.size(steps))
            buffer.offset = offset
            placed.append(buffer)
        return max((buffer.offset + buffer.size(steps) for buffer in placed), default=0)
