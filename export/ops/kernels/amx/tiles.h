// The matrix tiles of AMX: 16 rows of 64 bytes. One instruction adds to 16 x 16 sums the products of 64 bytes each, in
// 16 cycles.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace edgenet::amx {
namespace {  // internal linkage: no copy of these may serve a CPU without AMX

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileBytes = 64;                       ///< of a row: that many values are multiplied
constexpr int64_t kTileOutputs = 16;                     ///< output channels, the columns of a tile of sums
constexpr int64_t kWeightTile = kTileRows * kTileBytes;  ///< bytes: [4 values][output channel][value]
constexpr int64_t kGroupTiles = 4;                       ///< of positions, that a tile of weights is multiplied with

/// While it lives this thread has tiles of `positions` rows of activations and sums, and of weights for `values` bytes
/// of such a row. Sums are in tiles 0 to 3, activations in 4 and 5, weights in 6 and 7.
class Tiles {
 public:
  explicit Tiles(int64_t positions, int64_t values = kTileBytes) {
    Shapes shapes{};
    shapes.palette = 1;
    for (int tile = 0; tile < 8; ++tile) {
      const bool activations = tile == 4 || tile == 5;
      shapes.row_bytes[tile] = static_cast<uint16_t>(activations ? values : kTileBytes);
      shapes.rows[tile] = static_cast<uint8_t>(tile < 6 ? positions : values / 4);
    }
    __asm__ volatile("" : : "r"(&shapes) : "memory");  // the intrinsic says that it reads 8 bytes; it reads 64
    _tile_loadconfig(&shapes);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

 private:
  struct Shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  };
  static_assert(sizeof(Shapes) == 64, "as LDTILECFG reads it");
};

constexpr int64_t kTileSums = kTileRows * kTileOutputs;

/// Takes up the sums that store_sums left, or begins new ones.
template <int tiles>
void begin_sums(const int32_t* from, bool first) {
  __asm__ volatile("" ::: "memory");  // the intrinsics do not say that they read
  if (first) {
    _tile_zero(0);
    if constexpr (tiles > 1) _tile_zero(1);
    if constexpr (tiles > 2) _tile_zero(2);
    if constexpr (tiles > 3) _tile_zero(3);
  } else {
    _tile_loadd(0, from, kTileBytes);
    if constexpr (tiles > 1) _tile_loadd(1, from + kTileSums, kTileBytes);
    if constexpr (tiles > 2) _tile_loadd(2, from + 2 * kTileSums, kTileBytes);
    if constexpr (tiles > 3) _tile_loadd(3, from + 3 * kTileSums, kTileBytes);
  }
}

/// Adds the products of `steps` tiles of weights and what they meet, `offsets` bytes from every tile's x on.
/// `meanwhile` is called after every step: vectors compute while tiles are multiplied.
template <int tiles, class Meanwhile>
void add_products(const int64_t* offsets, int64_t steps, int64_t position_bytes, const int8_t* const* x,
                  const int8_t* weights, const Meanwhile& meanwhile) {
  __asm__ volatile("" ::: "memory");  // the intrinsics do not say that they read
  for (int64_t step = 0; step < steps; ++step, weights += kWeightTile) {
    const int64_t offset = offsets[step];
    _tile_loadd(6, weights, kTileBytes);
    _tile_loadd(4, x[0] + offset, position_bytes);
    _tile_dpbssd(0, 4, 6);
    if constexpr (tiles > 1) {
      _tile_loadd(5, x[1] + offset, position_bytes);
      _tile_dpbssd(1, 5, 6);
    }
    if constexpr (tiles > 2) {
      _tile_loadd(4, x[2] + offset, position_bytes);
      _tile_dpbssd(2, 4, 6);
    }
    if constexpr (tiles > 3) {
      _tile_loadd(5, x[3] + offset, position_bytes);
      _tile_dpbssd(3, 5, 6);
    }
    meanwhile();
  }
}

/// to[tile][position][output channel]
template <int tiles>
void store_sums(int32_t* to) {
  _tile_stored(0, to, kTileBytes);
  if constexpr (tiles > 1) _tile_stored(1, to + kTileSums, kTileBytes);
  if constexpr (tiles > 2) _tile_stored(2, to + 2 * kTileSums, kTileBytes);
  if constexpr (tiles > 3) _tile_stored(3, to + 3 * kTileSums, kTileBytes);
  __asm__ volatile("" ::: "memory");
}

}  // namespace
}  // namespace edgenet::amx
