// Binary weights as indices into the tables of kernels/x86/field_steps.h: a field's weights are an index, the outputs
// of a block fill a vector, a byte each. Of a layer that does not stay in the second cache, whose time is that of its
// loads, indices are packed: a bit a weight.
#pragma once
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/x86/lookup.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

template <class Tables>
class FieldIndices {
  static constexpr int64_t kGroupFields = Tables::kGroupFields;

 public:
  static constexpr int64_t kBlock = Tables::Simd::kBytes;  ///< outputs of a block

  explicit FieldIndices(const LinearWeights& weights)
      : w_(weights),
        groups_((w_.inputs + Tables::kGroupInputs - 1) / Tables::kGroupInputs),
        pieces_((groups_ + Tables::kMostGroups - 1) / Tables::kMostGroups),
        piece_groups_((groups_ + pieces_ - 1) / pieces_),
        packed_(blocks() * groups_ * group_bytes<false>() > Tables::kCacheBytes),
        words_(blocks() * groups_ * (packed_ ? group_bytes<true>() : group_bytes<false>()) / 4) {
    for (int64_t piece = 0; piece < pieces_; ++piece) {
      for (int64_t block = 0; block < blocks(); ++block) fill_block(piece, block);
    }
  }

  int64_t blocks() const { return (w_.outputs + kBlock - 1) / kBlock; }
  int64_t groups() const { return groups_; }
  int64_t pieces() const { return pieces_; }
  int64_t first_group(int64_t piece) const { return piece * piece_groups_; }
  int64_t groups_of(int64_t piece) const { return smaller(piece_groups_, groups_ - first_group(piece)); }
  bool packed() const { return packed_; }

  /// Bytes of a group of a block.
  template <bool kPacked>
  static constexpr int64_t group_bytes() {
    return (kPacked ? Tables::kPackedVectors : kGroupFields) * kBlock;
  }

  /// The groups of a piece, of one block.
  const uint8_t* block(int64_t piece, int64_t block) const {
    return reinterpret_cast<const uint8_t*>(words_.data()) +
           (first_group(piece) * blocks() + block * groups_of(piece)) *
               (packed_ ? group_bytes<true>() : group_bytes<false>());
  }

  /// Where output i of a block lies: a byte of every 32-bit lane is a vector of outputs, in order.
  static int64_t place(int64_t i) { return i % Tables::Simd::kLanes * 4 + i / Tables::Simd::kLanes; }

 private:
  void fill_block(int64_t piece, int64_t block_index) {
    auto* bytes = const_cast<uint8_t*>(block(piece, block_index));
    for (int64_t group = first_group(piece); group < first_group(piece) + groups_of(piece); ++group) {
      for (int64_t i = 0; i < kBlock; ++i) {
        uint8_t* to = bytes + place(i);
        const int64_t o = block_index * kBlock + i;
        uint8_t fields[kGroupFields];
        for (int64_t f = 0; f < kGroupFields; ++f) fields[f] = Tables::index(field_bits(o, group, f));
        if (packed_) {
          Tables::pack(fields, kBlock, to);
        } else {
          for (int64_t f = 0; f < kGroupFields; ++f) to[f * kBlock] = fields[f];
        }
      }
      bytes += packed_ ? group_bytes<true>() : group_bytes<false>();
    }
  }

  /// The weights of a field, 0 where there are none.
  uint32_t field_bits(int64_t output, int64_t group, int64_t field) const {
    const int64_t input = (group * kGroupFields + field) * Tables::kField;
    if (output >= w_.outputs || input >= w_.inputs) return 0;
    const uint8_t* row = w_.packed + output * ((w_.inputs + 7) / 8);
    return read_bits(row, input, smaller(Tables::kField, w_.inputs - input));
  }

  LinearWeights w_;
  int64_t groups_, pieces_, piece_groups_;
  bool packed_;
  AlignedWords words_;
};

}  // namespace
}  // namespace edgenet::x86
