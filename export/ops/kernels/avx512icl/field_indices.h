// Binary weights as indices into the tables of kernels/avx512icl/field_tables.h: 6 weights are an index, 64 outputs are
// a block, whose indices of one field fill a vector. vpermb ignores the upper two bits of an index, so that it takes
// them as they lie. Of a layer that does not stay in the second cache, whose time is that of its loads, the upper bits
// of three fields are the index of the fourth: a bit a weight.
#pragma once
#include <cstdint>

#include "kernels/avx512icl/field_tables.h"
#include "kernels/kernels.h"
#include "kernels/x86/lookup.h"

namespace edgenet::avx512icl {
namespace {  // internal linkage: no copy of these may serve a CPU without VBMI

using x86::smaller;

class FieldIndices {
  using Int = Simd::Int;
  static constexpr int64_t kGroupFields = FieldTables::kGroupFields;

 public:
  static constexpr int64_t kBlock = 64;  ///< outputs of a block

  explicit FieldIndices(const LinearWeights& weights)
      : w_(weights),
        groups_((w_.inputs + FieldTables::kGroupInputs - 1) / FieldTables::kGroupInputs),
        pieces_((groups_ + FieldTables::kMostGroups - 1) / FieldTables::kMostGroups),
        piece_groups_((groups_ + pieces_ - 1) / pieces_),
        packed_(blocks() * groups_ * group_bytes<false>() > kCacheBytes),
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
    return (kPacked ? kGroupFields - 1 : kGroupFields) * kBlock;
  }

  /// The groups of a piece, of one block.
  const uint8_t* block(int64_t piece, int64_t block) const {
    return reinterpret_cast<const uint8_t*>(words_.data()) +
           (first_group(piece) * blocks() + block * groups_of(piece)) *
               (packed_ ? group_bytes<true>() : group_bytes<false>());
  }

  /// Where output i of a block lies: a byte of every 32-bit lane is 16 outputs, in order.
  static int64_t place(int64_t i) { return i % 16 * 4 + i / 16; }

  /// The indices of the fields of a group.
  struct Group {
    Int first, second, third, fourth;
  };

  template <bool kPacked>
  static Group load(const uint8_t* from) {
    const Int first = load_settled(from), second = load_settled(from + kBlock), third = load_settled(from + 2 * kBlock);
    if (!kPacked) return {first, second, third, load_settled(from + 3 * kBlock)};
    constexpr int kSelect = 0xca;  // a ? b : c
    const Int lower = _mm512_ternarylogic_epi32(_mm512_set1_epi8(3), _mm512_srli_epi16(first, 6),
                                                _mm512_srli_epi16(second, 4), kSelect);
    return {first, second, third,
            _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), lower, _mm512_srli_epi16(third, 2), kSelect)};
  }

  /// GCC 12 else loads it again wherever it is used.
  static Int load_settled(const uint8_t* from) {
    Int value = _mm512_load_si512(from);
    Simd::settle(value);
    return value;
  }

 private:
  static constexpr int64_t kCacheBytes = int64_t{1} << 20;

  void fill_block(int64_t piece, int64_t block_index) {
    auto* bytes = const_cast<uint8_t*>(block(piece, block_index));
    for (int64_t group = first_group(piece); group < first_group(piece) + groups_of(piece); ++group) {
      for (int64_t i = 0; i < kBlock; ++i) {
        uint8_t* to = bytes + place(i);
        const int64_t o = block_index * kBlock + i;
        for (int64_t f = 0; f < kGroupFields - 1; ++f) to[f * kBlock] = field_bits(o, group, f);
        const uint32_t last = field_bits(o, group, kGroupFields - 1);
        if (!packed_) to[(kGroupFields - 1) * kBlock] = static_cast<uint8_t>(last);
        for (int64_t f = 0; packed_ && f < kGroupFields - 1; ++f) {
          to[f * kBlock] |= static_cast<uint8_t>((last >> (2 * f) & 3) << 6);
        }
      }
      bytes += packed_ ? group_bytes<true>() : group_bytes<false>();
    }
  }

  /// The weights of a field, 0 where there are none.
  uint8_t field_bits(int64_t output, int64_t group, int64_t field) const {
    const int64_t input = (group * kGroupFields + field) * FieldTables::kField;
    if (output >= w_.outputs || input >= w_.inputs) return 0;
    const uint8_t* row = w_.packed + output * ((w_.inputs + 7) / 8);
    return static_cast<uint8_t>(x86::read_bits(row, input, smaller(FieldTables::kField, w_.inputs - input)));
  }

  LinearWeights w_;
  int64_t groups_, pieces_, piece_groups_;
  bool packed_;
  x86::AlignedWords words_;
};

}  // namespace
}  // namespace edgenet::avx512icl
