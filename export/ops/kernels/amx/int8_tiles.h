// Convolutions of 8-bit activations whose products tiles add: a tile's rows are positions, its bytes what a kernel row
// meets, and two tiles of weights are a panel of 32 outputs.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/amx/tiles.h"
#include "kernels/avx512icl/int8_panels.h"
#include "kernels/x86/thread_memory.h"

namespace edgenet::amx {
namespace {  // internal linkage: no copy of these may serve a CPU without AMX

using avx512icl::PixelLayout;
using avx512icl::PixelRuns;
using x86::larger;
using x86::smaller;

/// Writes pixels that hold several rows of a few channels, for a row of tiles to be filled.
class TileWriter {
 public:
  TileWriter(const PixelLayout& layout, const PixelRuns& runs, float factor)
      : layout_(layout),
        fold_(runs.fold),
        row_bytes_(layout.pixel / runs.fold),
        vector_pixels_(kTileBytes / layout.pixel),
        single_(layout),
        writer_(single_, runs, factor) {
    single_.pixel = row_bytes_;
    single_.line_bytes = layout.columns.tables() * row_bytes_;
    if (fold_ == 1) return;
    for (int64_t row = 0; row < fold_; ++row) {
      alignas(64) uint8_t order[kTileBytes] = {};
      uint64_t taken = 0;
      for (int64_t i = 0; i < vector_pixels_ * layout.pixel; ++i) {
        if (i % layout.pixel / row_bytes_ != row) continue;
        order[i] = static_cast<uint8_t>(i / layout.pixel * row_bytes_ + i % row_bytes_);
        taken |= uint64_t{1} << i;
      }
      order_[row] = _mm512_load_si512(order);
      taken_[row] = taken;
    }
  }

  void write_line(const float* x, int64_t line, uint8_t* to) const {
    if (fold_ == 1) return writer_.write_line(x, line, to);
    const int64_t step = single_.line_bytes + kTileBytes;
    uint8_t* lines = x86::ThreadMemory::get(fold_ * step);
    for (int64_t row = 0; row < fold_; ++row) {
      // Rows behind the last meet weights of 0.
      writer_.write_line(x, smaller(line + row, layout_.rows.tables() - 1), lines + row * step);
    }
    const int64_t pixels = layout_.columns.tables();
    for (int64_t pixel = 0; pixel < pixels; pixel += vector_pixels_) {
      __m512i mixed = _mm512_setzero_si512();
      for (int64_t row = 0; row < fold_; ++row) {
        const __m512i from = _mm512_loadu_si512(lines + row * step + pixel * row_bytes_);
        mixed = _mm512_mask_permutexvar_epi8(mixed, taken_[row], order_[row], from);
      }
      const int64_t count = smaller(vector_pixels_, pixels - pixel) * layout_.pixel;
      const __mmask64 exist = count == kTileBytes ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
      _mm512_mask_storeu_epi8(to + pixel * layout_.pixel, exist, mixed);
    }
  }

  void write_tails(const uint8_t*, int64_t, uint8_t*) const {}

 private:
  static constexpr int64_t kMostRows = 64;

  const PixelLayout& layout_;
  int64_t fold_, row_bytes_, vector_pixels_;
  PixelLayout single_;  ///< of pixels of a row each
  avx512icl::PixelWriter writer_;
  __m512i order_[kMostRows];
  uint64_t taken_[kMostRows];
};

struct TileProducts : avx512icl::ByteWords {
  using Writer = TileWriter;
  static constexpr int kTilePositions = 2 * kTileRows;
  static constexpr int64_t kReadPositions = kTilePositions;

  /// Whether kernel rows fill tiles, as they are or folded into pixels.
  static bool suits(const ConvWeights& w) {
    if (w.group_channels % kTileBytes == 0) return true;
    return w.group_channels < 4 && w.dilation_width == 1 && w.dilation_height == 1 &&
           w.kernel_width * w.group_channels <= kTileBytes;
  }
  static int64_t rows_of_a_pixel(const ConvWeights& w) {
    if (w.group_channels % kTileBytes == 0) return 1;
    return smaller(w.kernel_height, kTileBytes / (w.kernel_width * w.group_channels));
  }

  class Thread {
   public:
    explicit Thread(const PixelRuns& runs) : tiles_(kTileRows, 4 * smaller(kTileRows, runs.run_words)) {}

   private:
    Tiles tiles_;
  };

  template <class Panels, class Stored>
  static void sum_tile(int64_t positions, const x86::PanelTask<TileProducts>& panel, const uint8_t* x, const uint8_t*,
                       typename Stored::Word* to) {
    alignas(64) int32_t sums[kTilePositions * kOutputs];
    (positions > kTileRows ? add_products<true> : add_products<false>)(panel, x, sums);
    for (int64_t half = 0; half < 2; ++half) {
      const Stored stored(panel, half);
      for (int64_t i = half * kLanes; i < positions * kOutputs; i += kOutputs) {
        stored.store(_mm512_load_si512(sums + i), to + i);
      }
    }
  }

 private:
  static constexpr int64_t kOutputs = 2 * kLanes;

  template <bool second>
  __attribute__((noinline)) static void add_products(const x86::PanelTask<TileProducts>& panel, const uint8_t* x,
                                                     int32_t* sums) {
    constexpr int64_t kSumBytes = kOutputs * 4;
    const int64_t words = smaller(kTileRows, panel.run_words);
    const uint8_t* weights = panel.weights;
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (second) _tile_zero(2);
    if constexpr (second) _tile_zero(3);
    __asm__ volatile("" ::: "memory");  // the intrinsics do not say that they read
    for (int64_t run = 0; run < panel.run_count; ++run) {
      const uint8_t* from = x + panel.runs[run];
      for (int64_t word = 0; word < panel.run_words; word += words, from += kTileBytes) {
        _tile_loadd(6, weights, kSumBytes);
        _tile_loadd(4, from, panel.position_bytes);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, weights + kTileBytes, kSumBytes);
        _tile_dpbusd(1, 4, 7);
        if constexpr (second) {
          _tile_loadd(5, from + kTileRows * panel.position_bytes, panel.position_bytes);
          _tile_dpbusd(2, 5, 6);
          _tile_dpbusd(3, 5, 7);
        }
        weights += words * kSumBytes;
      }
    }
    _tile_stored(0, sums, kSumBytes);
    _tile_stored(1, sums + kLanes, kSumBytes);
    if constexpr (second) _tile_stored(2, sums + kTileRows * kOutputs, kSumBytes);
    if constexpr (second) _tile_stored(3, sums + kTileRows * kOutputs + kLanes, kSumBytes);
    __asm__ volatile("" ::: "memory");
  }
};

/// Weights of a bit that become bytes when a panel is used.
class TileBitPanels : public avx512icl::BitPanels {
  using Bits = avx512icl::BitPanels;

 public:
  static constexpr int64_t kWordBytes = 4 * avx512icl::kPanelOutputs;

  TileBitPanels(const ConvWeights& w, const PixelRuns& runs) : Bits(w, runs), words_(runs.words()) {}

  int64_t room_bytes() const { return words_ * kWordBytes; }
  const uint8_t* weights(int64_t panel, uint8_t* room) const {
    const uint8_t* bits = Bits::weights(panel, nullptr);
    for (int64_t word = 0; word < words_; ++word) {
      __m512i bytes[2];
      Bits::load(bits + word * Bits::kWordBytes, bytes);
      _mm512_storeu_si512(room + word * kWordBytes, bytes[0]);
      _mm512_storeu_si512(room + word * kWordBytes + kTileBytes, bytes[1]);
    }
    return room;
  }

 private:
  int64_t words_;
};

}  // namespace
}  // namespace edgenet::amx
