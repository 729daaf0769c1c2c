// Where the XNOR convolution by tables in memory finds everything: signs by position, tables, and tiles of outputs.
//
// A byte holds the signs of 5 channels (a five) at one pixel, and that it is one: what is no pixel is 0. Planes hold
// every stride-th row and column, as taps meet them. Rows of a plane are `pitch` bytes apart, so far that what a tap
// meets beside the image is 0, so that output positions are numbers too, row * pitch + column, and a tap is an offset.
#pragma once
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

constexpr int64_t kFive = 5;
constexpr uint8_t kPixel = 0x80;      ///< set in the byte of every pixel
constexpr int64_t kMostVectors = 2;   ///< of a tile's table entries
constexpr int64_t kVectorLanes = 64;  ///< positions of a vector, two a byte
constexpr int64_t kMostStride = 4;
constexpr int64_t kMostTaps = 64;
constexpr int64_t kValidSlack = 8;  ///< counts after the last that may be read
constexpr int64_t kSumSlack = 256;  ///< bytes after a plane that may be read

/// One axis: output o meets pixel o * stride + tap * dilation - pad, which is number o + shift(tap) of phase(tap).
struct SumAxis {
  int64_t taps, stride, dilation, pad, size, outputs;
  bool used[kMostStride] = {};  ///< phases that some tap has

  SumAxis(int64_t kernel, int64_t by, int64_t apart, int64_t before, int64_t pixels_of_image, int64_t count)
      : taps(kernel), stride(by), dilation(apart), pad(before), size(pixels_of_image), outputs(count) {
    for (int64_t tap = 0; tap < taps; ++tap) used[phase(tap)] = true;
  }

  int64_t offset(int64_t tap) const { return tap * dilation - pad; }
  int64_t phase(int64_t tap) const { return (offset(tap) % stride + stride) % stride; }
  int64_t shift(int64_t tap) const { return (offset(tap) - phase(tap)) / stride; }
  /// Pixels of a phase.
  int64_t pixels(int64_t of_phase) const { return of_phase < size ? (size - 1 - of_phase) / stride + 1 : 0; }
};

struct SumLayout {
  /// `span`: how far the taps that share a table are apart.
  SumLayout(const ConvWeights& w, const Image& image, int64_t span_of_taps)
      : vertical{w.kernel_height, w.stride_height, w.dilation_height, w.pad_top, image.height, image.out_height},
        horizontal{w.kernel_width, w.stride_width, w.dilation_width, w.pad_left, image.width, image.out_width},
        span(span_of_taps) {
    const int64_t most = horizontal.shift(horizontal.taps - 1);
    pitch = x86::larger(horizontal.pixels(0) + x86::larger(0, -horizontal.shift(0)),
                        horizontal.outputs + x86::larger(0, most));
    positions = vertical.outputs * pitch;
    lead = x86::larger(0, -offset(0));
    const int64_t last = x86::larger(0, vertical.shift(vertical.taps - 1) * pitch + most);
    const int64_t end = x86::larger(vertical.pixels(0) * pitch, positions + kMostVectors * kVectorLanes + last);
    plane_bytes = x86::round_up(lead + end + kSumSlack, 64);
    five_bytes = vertical.stride * horizontal.stride * plane_bytes;
    for (int64_t tap = 0; tap < vertical.taps * horizontal.taps; ++tap) {
      const int64_t row = tap / horizontal.taps, column = tap % horizontal.taps;
      tap_bytes[tap] = plane(vertical.phase(row), horizontal.phase(column)) + offset(tap);
    }
  }

  int64_t plane(int64_t row_phase, int64_t column_phase) const {
    return (row_phase * horizontal.stride + column_phase) * plane_bytes + lead;
  }
  /// Where the bytes of a tap begin among those of a five.
  int64_t at(int64_t tap) const { return tap_bytes[tap]; }

  int64_t outputs() const { return vertical.outputs * horizontal.outputs; }

  /// A tile of positions: table entries have so many vectors, whose bytes are `half` positions apart.
  int64_t half(int64_t vectors) const { return vectors * kVectorLanes / 2 - span; }
  int64_t tile() const { return 2 * half(kMostVectors); }
  int64_t tiles() const { return (positions + tile() - 1) / tile(); }

  SumAxis vertical, horizontal;
  int64_t span, pitch;
  int64_t positions;  ///< numbers of output positions, some of which lie between rows
  int64_t lead;       ///< zeros before a plane
  int64_t plane_bytes, five_bytes;
  int64_t tap_bytes[kMostTaps];

 private:
  int64_t offset(int64_t tap) const {
    return vertical.shift(tap / horizontal.taps) * pitch + horizontal.shift(tap % horizontal.taps);
  }
};

}  // namespace
}  // namespace edgenet::avx2
