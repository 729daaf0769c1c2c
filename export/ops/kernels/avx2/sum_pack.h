// Binarising an image for the XNOR convolution by tables in memory: floats or packed signs to bytes of 5 signs.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "kernels/avx2/sum_layout.h"
#include "kernels/x86/xnor_conv_count.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

constexpr int64_t kPackedBytes = 4096;  ///< pixels that are packed at a time

/// The 5 channels of a five: those that exist, from `first` of the image on.
struct Five {
  int64_t sample, first, channels;
};

class FiveFloats {
 public:
  FiveFloats(const Five& five, const Image& image, const ConvOperands& operands) {
    const int64_t area = image.height * image.width;
    for (int64_t i = 0; i < kFive; ++i) {
      const bool exists = i < five.channels;
      x_[i] = operands.x + (five.sample * image.channels + five.first + (exists ? i : 0)) * area;
      // Nothing reaches a NaN: the bits of channels that do not exist are 0, as their weights are.
      threshold_[i] = exists ? operands.threshold[five.first + i] : __builtin_nanf("");
    }
  }

  /// to[i] = the byte of pixel offset + i, for i < count.
  void read(int64_t offset, int64_t count, uint8_t* to) const {
    if (count >= 32) {
      for (int64_t i = 0; i + 32 < count; i += 32) read_32(offset + i, to + i);
      return read_32(offset + count - 32, to + count - 32);
    }
    for (int64_t i = 0; i < count; ++i) {
      int signs = kPixel;
      for (int channel = 0; channel < kFive; ++channel) {
        signs |= static_cast<int>(x_[channel][offset + i] >= threshold_[channel]) << channel;
      }
      to[i] = static_cast<uint8_t>(signs);
    }
  }

 private:
  EDGENET_INLINE void read_32(int64_t offset, uint8_t* to) const {
    __m256i bytes = _mm256_set1_epi8(static_cast<char>(kPixel));
#pragma GCC unroll 5
    for (int channel = 0; channel < kFive; ++channel) {
      const float* x = x_[channel] + offset;
      const __m256 threshold = _mm256_set1_ps(threshold_[channel]);
      const __m256i low = _mm256_packs_epi32(met(x, threshold), met(x + 8, threshold));
      const __m256i high = _mm256_packs_epi32(met(x + 16, threshold), met(x + 24, threshold));
      const __m256i bit = _mm256_set1_epi8(static_cast<char>(1 << channel));
      bytes = _mm256_or_si256(bytes, _mm256_and_si256(_mm256_packs_epi16(low, high), bit));
    }
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permutevar8x32_epi32(bytes, order));
  }

  static __m256i met(const float* x, __m256 threshold) {
    return _mm256_castps_si256(_mm256_cmp_ps(_mm256_loadu_ps(x), threshold, _CMP_GE_OQ));
  }

  const float* x_[kFive];
  float threshold_[kFive];
};

/// A five lies in one byte of packed signs or across two.
class FiveSigns {
 public:
  FiveSigns(const Five& five, const Image& image, const ConvOperands& operands)
      : shift_(static_cast<int>(five.first % 8)), mask_((1 << five.channels) - 1) {
    const int64_t area = image.height * image.width;
    low_ = operands.signs + (five.sample * ((image.channels + 7) / 8) + five.first / 8) * area;
    high_ = shift_ + five.channels > 8 ? low_ + area : low_;
    low_mask_ = mask_ & ((1 << (8 - shift_)) - 1);
  }

  void read(int64_t offset, int64_t count, uint8_t* to) const {
    const __m128i down = _mm_cvtsi32_si128(shift_), up = _mm_cvtsi32_si128(8 - shift_);
    const __m256i low_mask = _mm256_set1_epi8(static_cast<char>(low_mask_));
    const __m256i high_mask = _mm256_set1_epi8(static_cast<char>(mask_ & ~low_mask_));
    const __m256i pixel = _mm256_set1_epi8(static_cast<char>(kPixel));
    int64_t i = 0;
    for (; i + 32 <= count; i += 32) {
      const __m256i low = _mm256_srl_epi16(load(low_ + offset + i), down);
      const __m256i high = _mm256_sll_epi16(load(high_ + offset + i), up);
      const __m256i bits = _mm256_or_si256(_mm256_and_si256(low, low_mask), _mm256_and_si256(high, high_mask));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_or_si256(bits, pixel));
    }
    for (; i < count; ++i) {
      const int bits =
          (low_[offset + i] >> shift_ & low_mask_) | (high_[offset + i] << (8 - shift_) & mask_ & ~low_mask_);
      to[i] = static_cast<uint8_t>(bits | kPixel);
    }
  }

 private:
  static __m256i load(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

  const uint8_t *low_, *high_;
  int shift_, mask_, low_mask_;
};

/// Copies so many bytes at each end, which meet.
template <int64_t width>
void copy_ends(const uint8_t* from, uint8_t* to, int64_t count) {
  uint8_t first[width], last[width];
  std::memcpy(first, from, width);
  std::memcpy(last, from + count - width, width);
  std::memcpy(to, first, width);
  std::memcpy(to + count - width, last, width);
}

/// Copies `count` bytes and none beyond.
void copy_bytes(const uint8_t* from, uint8_t* to, int64_t count) {
  if (count > 64) {
    std::memcpy(to, from, static_cast<size_t>(count));
  } else if (count >= 32) {
    copy_ends<32>(from, to, count);
  } else if (count >= 16) {
    copy_ends<16>(from, to, count);
  } else if (count >= 8) {
    copy_ends<8>(from, to, count);
  } else if (count >= 4) {
    copy_ends<4>(from, to, count);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

/// Copies every `stride`-th byte; up to 31 bytes beyond may be read.
void copy_strided(const uint8_t* from, int64_t stride, uint8_t* to, int64_t count) {
  if (stride == 1) return copy_bytes(from, to, count);
  if (stride > 2) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * stride];
    return;
  }
  const __m128i even = _mm_set1_epi16(255);
  for (int64_t i = 0; i < count; i += 16) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * i));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * i + 16));
    alignas(16) uint8_t bytes[16];
    _mm_store_si128(reinterpret_cast<__m128i*>(bytes),
                    _mm_packus_epi16(_mm_and_si128(a, even), _mm_and_si128(b, even)));
    copy_bytes(bytes, to + i, x86::smaller(16, count - i));
  }
}

/// Copies the columns [first, first + columns) of some rows of the image to the planes that hold them.
void spread_rows(const SumLayout& layout, int64_t first_row, int64_t rows, int64_t first, int64_t columns,
                 const uint8_t* from, uint8_t* planes) {
  const SumAxis &vertical = layout.vertical, &horizontal = layout.horizontal;
  for (int64_t phase = 0; phase < horizontal.stride; ++phase) {
    if (!horizontal.used[phase]) continue;
    const int64_t begin = x86::larger(0, (first - phase + horizontal.stride - 1) / horizontal.stride);
    const int64_t end = (first + columns - phase + horizontal.stride - 1) / horizontal.stride;
    const uint8_t* row = from + begin * horizontal.stride + phase - first;
    int64_t row_phase = first_row % vertical.stride;
    int64_t offset = first_row / vertical.stride * layout.pitch + begin;
    for (int64_t i = 0; i < rows; ++i, row += columns) {
      if (vertical.used[row_phase]) {
        copy_strided(row, horizontal.stride, planes + layout.plane(row_phase, phase) + offset, end - begin);
      }
      if (++row_phase < vertical.stride) continue;
      row_phase = 0;
      offset += layout.pitch;
    }
  }
}

/// Lays the bytes of a five out in planes.
template <class Source>
void pack_five(const SumLayout& layout, const Source& source, uint8_t* planes) {
  alignas(64) uint8_t bytes[kPackedBytes + 128];
  std::memset(planes, 0, static_cast<size_t>(layout.five_bytes));
  const int64_t height = layout.vertical.size, width = layout.horizontal.size;
  const int64_t most_columns = x86::smaller(width, kPackedBytes);
  const int64_t most_rows = kPackedBytes / most_columns;
  for (int64_t row = 0; row < height; row += most_rows) {
    const int64_t rows = x86::smaller(most_rows, height - row);
    for (int64_t column = 0; column < width; column += most_columns) {
      const int64_t columns = x86::smaller(most_columns, width - column);
      source.read(row * width + column, rows > 1 ? rows * width : columns, bytes);
      spread_rows(layout, row, rows, column, columns, bytes, planes);
    }
  }
}

}  // namespace
}  // namespace edgenet::avx2
