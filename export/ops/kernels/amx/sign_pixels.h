// Writes signs as bytes of +1 and -1, as kernels/amx/tile_layout.h has them.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/amx/tile_layout.h"
#include "kernels/parallel.h"
#include "kernels/x86/thread_memory.h"
#include "kernels/x86/xnor_words.h"

namespace edgenet::amx {
namespace {  // internal linkage: no copy of these may serve a CPU without AMX

constexpr int64_t kPackedPixels = 512;  ///< of a task

/// The bytes of a block's channels that exist: +1 where a bit is set, -1 elsewhere; 0 for the other channels.
class SignBytes {
 public:
  explicit SignBytes(int64_t channels)
      : exist_(channels >= kBlockChannels ? ~uint64_t{0} : (uint64_t{1} << channels) - 1),
        plus_(_mm512_maskz_set1_epi8(exist_, 1)),
        minus_(_mm512_maskz_set1_epi8(exist_, -1)) {}

  void store(uint64_t bits, int8_t* to) const { _mm512_store_si512(to, _mm512_mask_mov_epi8(minus_, bits, plus_)); }

 private:
  __mmask64 exist_;
  __m512i plus_, minus_;
};

/// Writes `units` units from `first` on.
void write_sign_pixels(const ConvWeights& w, const Image& image, const TileLayout& layout, const ConvOperands& operands,
                       int64_t first, int64_t units, int8_t* to, const Executor& executor) {
  const int64_t rows = larger(1, kPackedPixels / image.width);
  const int64_t chunks = (image.height + rows - 1) / rows;
  parallel_for(executor, units * layout.blocks * chunks, [&](int64_t index) {
    const int64_t unit = index / chunks / layout.blocks, block = index / chunks % layout.blocks;
    const int64_t begin = index % chunks * rows, end = smaller(begin + rows, image.height);
    const int64_t channels = smaller(kBlockChannels, w.group_channels - block * kBlockChannels);
    const int64_t pixels = (end - begin) * image.width;
    auto* words = reinterpret_cast<uint32_t*>(x86::ThreadMemory::get(2 * pixels * 4));
    for (int64_t half = 0; half < 2; ++half) {
      if (half * x86::kWordChannels < channels) {
        x86::pack_word(w, image, operands, first + unit, 2 * block + half, begin * image.width, pixels,
                       words + half * pixels);
      } else {
        std::memset(words + half * pixels, 0, static_cast<size_t>(pixels) * 4);
      }
    }
    const SignBytes bytes(channels);
    for (int64_t plane = 0; plane < layout.planes; ++plane) {
      const PlaneAxis lines = layout.rows(plane), columns = layout.columns(plane);
      const int64_t inside = columns.inside(), inside_end = columns.inside_end();
      int8_t* line = to + unit * layout.unit_bytes + block * layout.block_bytes + plane * layout.plane_bytes;
      const int64_t line_bytes = columns.count * kBlockChannels;
      for (int64_t i = lines.first(begin); i < lines.end(end); ++i) {
        int8_t* pixel = line + i * line_bytes;
        const int64_t row = i * lines.step + lines.offset;
        if (row < 0 || row >= image.height) {
          std::memset(pixel, 0, static_cast<size_t>(line_bytes));
          continue;
        }
        std::memset(pixel, 0, static_cast<size_t>(inside * kBlockChannels));
        std::memset(pixel + inside_end * kBlockChannels, 0,
                    static_cast<size_t>((columns.count - inside_end) * kBlockChannels));
        const uint32_t* low = words + (row - begin) * image.width + columns.offset;
        const uint32_t* high = low + pixels;
        for (int64_t j = inside; j < inside_end; ++j) {
          const uint64_t bits = low[j * columns.step] | static_cast<uint64_t>(high[j * columns.step]) << 32;
          bytes.store(bits, pixel + j * kBlockChannels);
        }
      }
    }
  });
}

}  // namespace
}  // namespace edgenet::amx
