// Convolves a panel of output channels by matrix tiles.
#pragma once
#include <cstdint>

#include "kernels/amx/tile_layout.h"
#include "kernels/amx/tiles.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/thread_memory.h"

namespace edgenet::amx {
namespace {  // internal linkage: no copy of these may serve a CPU without AMX

/// Tiles of weights that share the nearest cache, until the sums of all positions of a chunk have met them. It is also
/// as long as a store of tiles may be away: on Sapphire Rapids the first after 750 ns without takes 250 ns.
constexpr int64_t kPassSteps = 12;
constexpr int64_t kChunkGroups = 8;  ///< of positions whose sums wait for the next pass

/// Tiles of positions [begin, end) of a unit, and the panel that they meet.
struct TileTask {
  const int8_t* x;         ///< of the unit
  const int64_t* offsets;  ///< TileLayout::fill_steps
  int64_t group, panel, begin, end;
};

template <class Weights, class Finish>
class PanelConv {
 public:
  PanelConv(const TileLayout& layout, const Weights& weights, const Finish& finish, const TileTask& task)
      : layout_(layout), weights_(weights), finish_(finish), task_(task) {}

  void run() {
    const int64_t tiles = task_.end - task_.begin;
    const int64_t groups = (tiles + kGroupTiles - 1) / kGroupTiles;
    const int64_t steps = layout_.steps();
    const int64_t passes = (steps + kPassSteps - 1) / kPassSteps;
    const int64_t chunks = passes == 1 ? 1 : (groups + kChunkGroups - 1) / kChunkGroups;
    const auto group_begin = [&](int64_t group) { return task_.begin + group * tiles / groups; };
    constexpr int64_t kRoom = kPassSteps * kWeightTile;
    constexpr int64_t kSums = (kChunkGroups * kGroupTiles + 1) * kTileSums;  // rows beyond the last tile's are read
    weights_room_ = reinterpret_cast<int8_t*>(x86::ThreadMemory::get(kRoom + kSums * 4));
    auto* sums = reinterpret_cast<int32_t*>(weights_room_ + kRoom);
    const Tiles configured(layout_.tile_positions);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int64_t first = chunk * groups / chunks, last = (chunk + 1) * groups / chunks;
      for (int64_t pass = 0; pass < passes; ++pass) {
        begin_ = pass * steps / passes;
        end_ = (pass + 1) * steps / passes;
        write();
        for (int64_t group = first; group < last; ++group) {
          const int64_t tile = group_begin(group);
          int32_t* to = sums + (passes == 1 ? group % 2 : group - first) * kGroupTiles * kTileSums;
          switch (group_begin(group + 1) - tile) {
            case 4:
              convolve<4>(tile, to);
              break;
            case 3:
              convolve<3>(tile, to);
              break;
            case 2:
              convolve<2>(tile, to);
              break;
            default:
              convolve<1>(tile, to);
          }
        }
      }
      finish_rest();
    }
  }

 private:
  template <int tiles>
  __attribute__((noinline)) void convolve(int64_t first, int32_t* sums) {
    const int8_t* x[tiles];
    for (int64_t i = 0; i < tiles; ++i) {
      x[i] = task_.x + layout_.position_offset(layout_.tile_position(first + i));
    }
    const bool done = end_ == layout_.steps();
    const int64_t position = layout_.tile_position(first);
    if (done) finish_.prefetch(position, layout_.tile_position(first + tiles - 1) + layout_.tile_positions - position);
    begin_sums<tiles>(sums, begin_ == 0);
    int64_t piece = piece_;
    const int64_t pieces = pieces_;
    add_products<tiles>(task_.offsets + begin_, end_ - begin_, layout_.position_bytes, x, weights_room_,
                        [&]() __attribute__((always_inline)) {
                          if (piece < pieces) finish(pieces_of_[piece++]);
                        });
    piece_ = piece;
    store_sums<tiles>(sums);
    if (!done) return;
    finish_rest();
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t overlap = layout_.tile_overlap(first + i);
      pieces_of_[i] = {sums + i * kTileSums + overlap * kTileOutputs, layout_.tile_position(first + i) + overlap,
                       layout_.tile_positions - overlap};
    }
    piece_ = 0;
    pieces_ = tiles;
  }

  struct Piece {
    const int32_t* sums;
    int64_t position, count;
  };

  void finish(const Piece& piece) const { finish_.finish(piece.sums, piece.position, piece.count); }
  void finish_rest() {
    for (; piece_ < pieces_; ++piece_) finish(pieces_of_[piece_]);
  }

  /// The weights of this pass.
  void write() const {
    for (int64_t step = begin_; step < end_; ++step) {
      weights_.write(task_.group, task_.panel, step, weights_room_ + (step - begin_) * kWeightTile);
    }
  }

  const TileLayout& layout_;
  const Weights& weights_;
  const Finish& finish_;
  const TileTask& task_;
  int8_t* weights_room_ = nullptr;
  int64_t begin_ = 0, end_ = 0;  ///< steps of this pass
  Piece pieces_of_[kGroupTiles] = {};
  int64_t piece_ = 0, pieces_ = 0;
};

}  // namespace
}  // namespace edgenet::amx
