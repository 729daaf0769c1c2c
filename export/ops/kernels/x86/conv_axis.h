// One axis of a convolution, in the coordinates of the tables or bits that are made of the image.
#pragma once
#include <cstdint>

#include "kernels/x86/aligned.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

struct Taps {
  int64_t begin, end;
};

/// Table position t is made of input position input(t); output o meets the positions o * stride + k * dilation.
struct ConvAxis {
  int64_t kernel, step, stride, dilation, pad, size, outputs;

  ConvAxis() = default;
  /// A kernel of one tap skips what lies between strides, so nothing is made of it.
  ConvAxis(int64_t kernel_size, int64_t input_stride, int64_t dilation_size, int64_t pad_size, int64_t input_size,
           int64_t output_size)
      : kernel(kernel_size),
        step(kernel_size == 1 ? input_stride : 1),
        stride(kernel_size == 1 ? 1 : input_stride),
        dilation(dilation_size),
        pad(pad_size),
        size(input_size),
        outputs(output_size) {}

  int64_t span() const { return (kernel - 1) * dilation + 1; }
  int64_t tables() const { return (outputs - 1) * stride + span(); }
  int64_t input(int64_t table) const { return table * step - pad; }
  bool inside(int64_t table) const { return input(table) >= 0 && input(table) < size; }
  /// The taps that meet the image for at least one of the outputs [first, last].
  Taps taps_inside(int64_t first, int64_t last) const {
    const int64_t low = input(first * stride);
    const int64_t high = input(last * stride);
    Taps taps{0, kernel};
    while (taps.begin < taps.end && high + taps.begin * dilation < 0) ++taps.begin;
    while (taps.end > taps.begin && low + (taps.end - 1) * dilation >= size) --taps.end;
    return taps;
  }
  /// The first position inside the image, and the end of those, both within [0, tables()].
  int64_t first_inside() const { return smaller((pad + step - 1) / step, tables()); }
  int64_t end_inside() const { return larger(first_inside(), smaller((pad + size - 1) / step + 1, tables())); }
};

}  // namespace
}  // namespace edgenet::x86
