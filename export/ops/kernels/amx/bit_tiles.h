// Weights of a bit as tiles of +1 and -1, made of the bits when they are needed.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/amx/tile_layout.h"
#include "kernels/x86/aligned.h"

namespace edgenet::amx {
namespace {  // internal linkage: no copy of these may serve a CPU without AMX

/// A bit for each byte of the tiles: [group][panel of 16 outputs][block][tap][row]. Weights of
/// outputs and channels that do not exist are -1; the first are not used, the others meet activations of 0.
class BitTiles {
 public:
  explicit BitTiles(const ConvWeights& w)
      : outputs_(w.out_channels / w.group),
        panels_((outputs_ + kTileOutputs - 1) / kTileOutputs),
        blocks_((w.group_channels + kBlockChannels - 1) / kBlockChannels),
        taps_(w.kernel_height * w.kernel_width),
        words_(w.group * panels_ * blocks_ * block_words() * 2) {
    std::memset(words_.data(), 0, static_cast<size_t>(w.group * panels_ * blocks_ * block_words() * 8));
    for (int64_t o = 0; o < w.out_channels; ++o) fill(w, o);
  }

  int64_t panels() const { return panels_; }
  int64_t panel_outputs(int64_t panel) const { return smaller(kTileOutputs, outputs_ - panel * kTileOutputs); }

  /// Writes a tile of a panel, which are numbered by block and tap.
  void write(int64_t group, int64_t panel, int64_t tile, int8_t* to) const {
    const uint64_t* bits = at(group, panel, 0) + tile * kTileRows;
    const __m512i plus = _mm512_set1_epi8(1), minus = _mm512_set1_epi8(-1);
#pragma GCC unroll 16
    for (int64_t row = 0; row < kTileRows; ++row) {
      _mm512_store_si512(to + row * kTileBytes, _mm512_mask_mov_epi8(minus, bits[row], plus));
    }
  }

 private:
  int64_t block_words() const { return taps_ * kTileRows; }
  const uint64_t* at(int64_t group, int64_t panel, int64_t block) const {
    return reinterpret_cast<const uint64_t*>(words_.data()) +
           ((group * panels_ + panel) * blocks_ + block) * block_words();
  }

  void fill(const ConvWeights& w, int64_t o) {
    const int64_t output = o % outputs_, within = output % kTileOutputs;
    const uint8_t* row = w.packed + o * ((w.group_channels * taps_ + 7) / 8);
    int64_t k = 0;
    for (int64_t channel = 0; channel < w.group_channels; ++channel) {
      auto* to = const_cast<uint64_t*>(at(o / outputs_, output / kTileOutputs, channel / kBlockChannels));
      const int64_t tile_row = channel % kBlockChannels / 4;
      const int64_t byte = within * 4 + channel % 4;
      for (int64_t tap = 0; tap < taps_; ++tap, ++k) {
        const uint64_t bit = (row[k / 8] >> (k % 8)) & 1;
        to[tap * kTileRows + tile_row] |= bit << byte;
      }
    }
  }

  int64_t outputs_, panels_, blocks_, taps_;
  x86::AlignedWords words_;
};

}  // namespace
}  // namespace edgenet::amx
