// Binarising an image for the XNOR convolution: the signs of a pixel's channels lie together, 8 to a byte.
#pragma once
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"

namespace edgenet::neon {
namespace {  // internal linkage: a kernel's own

using x86::smaller;

constexpr int64_t kPixels = 16;  ///< pixels that are binarised together

/// The signs of up to 8 channels of 16 pixels, a byte a pixel: from floats.
class FloatSigns {
 public:
  FloatSigns(const Image& image, const ConvOperands& operands)
      : area_(image.height * image.width), x_(operands.x), channels_(image.channels), threshold_(operands.threshold) {}

  /// Channels [channel, channel + count) of pixels [pixel, pixel + pixels), of which the others are anything.
  uint8x16_t read(int64_t sample, int64_t channel, int64_t count, int64_t pixel, int64_t pixels) const {
    uint8x16_t bits = vdupq_n_u8(0);
    for (int64_t c = 0; c < count; ++c) {
      const float* from = x_ + (sample * channels_ + channel + c) * area_ + pixel;
      float rest[kPixels];
      if (pixels < kPixels) {
        for (int64_t i = 0; i < kPixels; ++i) rest[i] = from[i < pixels ? i : 0];
        from = rest;
      }
      const float32x4_t threshold = vdupq_n_f32(threshold_[channel + c]);
      const auto reached = [&](int i) { return vreinterpretq_u16_u32(vcgeq_f32(vld1q_f32(from + 4 * i), threshold)); };
      const uint8x16_t low = vreinterpretq_u8_u16(vuzp1q_u16(reached(0), reached(1)));
      const uint8x16_t high = vreinterpretq_u8_u16(vuzp1q_u16(reached(2), reached(3)));
      bits = vsriq_n_u8(vuzp1q_u8(low, high), bits, 1);  // the new bit on top of those before, moved down
    }
    return vshlq_u8(bits, vdupq_n_s8(static_cast<int8_t>(count - 8)));
  }

 private:
  int64_t area_;
  const float* x_;
  int64_t channels_;
  const float* threshold_;
};

/// The same from packed signs, where the channels lie in one byte or across two.
class PackedSigns {
 public:
  PackedSigns(const Image& image, const ConvOperands& operands)
      : area_(image.height * image.width), planes_((image.channels + 7) / 8), signs_(operands.signs) {}

  uint8x16_t read(int64_t sample, int64_t channel, int64_t count, int64_t pixel, int64_t pixels) const {
    const uint8_t* low = signs_ + (sample * planes_ + channel / 8) * area_ + pixel;
    const int64_t shift = channel % 8;
    uint8x16_t bits = vshlq_u8(load(low, pixels), vdupq_n_s8(static_cast<int8_t>(-shift)));
    if (shift + count > 8) {
      bits = vorrq_u8(bits, vshlq_u8(load(low + area_, pixels), vdupq_n_s8(static_cast<int8_t>(8 - shift))));
    }
    return vandq_u8(bits, vdupq_n_u8(static_cast<uint8_t>((1 << count) - 1)));
  }

 private:
  static uint8x16_t load(const uint8_t* from, int64_t pixels) {
    if (pixels >= kPixels) return vld1q_u8(from);
    uint8_t rest[kPixels] = {};
    for (int64_t i = 0; i < pixels; ++i) rest[i] = from[i];
    return vld1q_u8(rest);
  }

  int64_t area_, planes_;
  const uint8_t* signs_;
};

/// Byte j of the 16 pixels of rows[j] becomes the 8 bytes of each pixel: rows[j] those of pixels 2j and 2j + 1.
inline void transpose_pixels(uint8x16_t (&rows)[8]) {
  uint8x16_t pairs[8], quads[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    pairs[i] = vzip1q_u8(rows[i], rows[i + 4]);
    pairs[i + 4] = vzip2q_u8(rows[i], rows[i + 4]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int half = i / 2 * 4;
    const int at = i % 2;
    quads[half + 2 * at] = vzip1q_u8(pairs[half + at], pairs[half + at + 2]);
    quads[half + 2 * at + 1] = vzip2q_u8(pairs[half + at], pairs[half + at + 2]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int half = i / 2 * 4;
    const int at = i % 2;
    rows[half + 2 * at] = vzip1q_u8(quads[half + at], quads[half + at + 2]);
    rows[half + 2 * at + 1] = vzip2q_u8(quads[half + at], quads[half + at + 2]);
  }
}

/// Packs up to 16 pixels of a group's `channels` channels from `first` on; a pixel has `pixel_bytes` bytes at `to`.
template <class Signs>
void pack_pixels(const Signs& signs, int64_t sample, int64_t first, int64_t channels, int64_t pixel, int64_t pixels,
                 int64_t pixel_bytes, uint8_t* to) {
  for (int64_t byte = 0; byte < pixel_bytes; byte += 8) {
    uint8x16_t rows[8];
    for (int64_t i = 0; i < 8; ++i) {
      const int64_t channel = (byte + i) * 8;
      rows[i] = channel < channels ? signs.read(sample, first + channel, smaller(8, channels - channel), pixel, pixels)
                                   : vdupq_n_u8(0);
    }
    transpose_pixels(rows);
    const auto bytes = static_cast<size_t>(smaller(8, pixel_bytes - byte));
    for (int64_t i = 0; i < pixels; ++i) {
      const uint64x2_t both = vreinterpretq_u64_u8(rows[i / 2]);
      const uint64_t word = i % 2 == 0 ? vgetq_lane_u64(both, 0) : vgetq_lane_u64(both, 1);
      std::memcpy(to + i * pixel_bytes + byte, &word, bytes);
    }
  }
}

}  // namespace
}  // namespace edgenet::neon
