// The sums of looked-up entries for blocks of 64 outputs: plane by plane of kernels/avx2/byte_fields.h, bytes of a
// group of fields first, then even and odd bytes as words.
//
// A byte is an index, so that vpshufb takes it as it is: twice the bits of packed weights. The outputs of 32 lie so
// that even and odd bytes, widened to 32 bits, are vectors of neighbours.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/avx2/byte_fields.h"
#include "kernels/avx2/simd.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/slab_conv.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

using x86::FieldRange;
using x86::round_up;
using x86::smaller;
using x86::TablePointers;

/// Indices [group][block of 64 outputs][run][field][output].
class ByteIndices {
 public:
  using Shape = x86::ConvFields<kFieldChannels>;
  static constexpr int64_t kVector = 32, kBlock = 64;
  static constexpr int64_t kFirst = 4;       ///< runs are filled up to a multiple of so many fields
  static constexpr uint8_t kNothing = 0x80;  ///< picks 0

  ByteIndices(const ConvWeights& w, const Shape& shape)
      : outputs_(w.out_channels / w.group),
        real_fields_(shape.run_fields),
        run_fields_(round_up(shape.run_fields, kFirst)),
        fields_(shape.runs * run_fields_),
        group_bytes_(vectors(0, blocks()) * kVector * fields_),
        words_(w.group * group_bytes_ / 4) {
    auto* to = reinterpret_cast<uint8_t*>(words_.data());
    for (int64_t group = 0; group < w.group; ++group) {
      for (int64_t block = 0; block < blocks(); ++block) {
        for (int64_t run = 0; run < shape.runs; ++run) {
          for (int64_t field = 0; field < run_fields_; ++field) {
            for (int64_t byte = 0; byte < block_vectors(block) * kVector; ++byte) {
              const int64_t o = block * kBlock + byte / kVector * kVector + output(byte % kVector);
              const bool real = field < shape.run_fields && o < outputs_;
              *to++ = real ? static_cast<uint8_t>(shape.bits(group * outputs_ + o, run, field, 1)) : kNothing;
            }
          }
        }
      }
    }
  }

  int64_t blocks() const { return (outputs_ + kBlock - 1) / kBlock; }
  int64_t block_outputs(int64_t block) const { return smaller(kBlock, outputs_ - block * kBlock); }
  /// 1 or 2.
  int64_t block_vectors(int64_t block) const { return (block_outputs(block) + kVector - 1) / kVector; }
  int64_t run_fields() const { return run_fields_; }
  int64_t real_fields() const { return real_fields_; }
  const uint8_t* block(int64_t group, int64_t block) const {
    return reinterpret_cast<const uint8_t*>(words_.data()) + group * group_bytes_ + block * kBlock * fields_;
  }
  /// The output that a byte of 32 is the index of: even bytes of either half, then odd ones, are 8 outputs at a time.
  static int64_t output(int64_t byte) {
    const int64_t half = byte / 16, within = byte % 16;
    return (within % 2 * 2 + within / 8) * 8 + half * 4 + within % 8 / 2;
  }

 private:
  int64_t vectors(int64_t begin, int64_t end) const {
    return begin == end ? 0 : (end - 1 - begin) * 2 + block_vectors(end - 1);
  }

  int64_t outputs_, real_fields_, run_fields_, fields_, group_bytes_;
  x86::AlignedWords words_;
};

/// Part of a range that is summed without a stop.
struct BytePiece {
  const uint8_t* indices;
  int64_t run_bytes;  ///< of indices, from run to run
  int64_t runs, first, groups;
  int64_t fields;  ///< of a run, those that exist among its groups
  TablePointers tables;
  int64_t plane_floats;
};

/// Calls tile(piece) for pieces of at most kFields fields.
template <int64_t kFields, class Tile>
inline void for_pieces(const ByteIndices& indices, const uint8_t* block, int64_t vectors, const FieldRange& range,
                       int64_t group, const TablePointers& tables, int64_t plane_floats, const Tile& tile) {
  const int64_t field_bytes = vectors * ByteIndices::kVector;
  const int64_t run_bytes = indices.run_fields() * field_bytes;
  const int64_t piece_runs = x86::larger(1, kFields / round_up(x86::larger(1, range.end - range.begin), group));
  for (int64_t run = range.run; run < range.run + range.runs; run += piece_runs) {
    for (int64_t field = range.begin; field < range.end; field += kFields) {
      const int64_t fields = round_up(smaller(kFields, range.end - field), group);
      tile(BytePiece{block + run * run_bytes + field * field_bytes, run_bytes,
                     smaller(piece_runs, range.run + range.runs - run), field, fields / group,
                     smaller(fields, indices.real_fields() - field),
                     TablePointers{tables.tables + run * tables.stride, tables.stride}, plane_floats});
    }
  }
}

template <class Cut>
class ByteSums {
  using Int = __m256i;
  static constexpr int64_t kPieceFields = 256;  ///< of which words hold the sum

 public:
  /// sums[p][output] += the range in steps, for p in [0, pixels).
  static void add(const ByteIndices& indices, int64_t group, int64_t block, const FieldRange& range, int pixels,
                  const TablePointers& tables, int64_t plane_floats, float* sums) {
    const int64_t vectors = indices.block_vectors(block);
    for_pieces<kPieceFields>(indices, indices.block(group, block), vectors, range, Cut::kGroup, tables, plane_floats,
                             [&](const BytePiece& piece) {
                               if (vectors == 2) {
                                 pixels == 2 ? add_piece<2, 2>(piece, sums) : add_piece<1, 2>(piece, sums);
                               } else {
                                 pixels == 2 ? add_piece<2, 1>(piece, sums) : add_piece<1, 1>(piece, sums);
                               }
                             });
  }

 private:
  /// Sums of words: of the even bytes plus 256 times the odd ones, modulo 2^16, and of the odd bytes.
  struct Words {
    Int all, odd;
  };

  template <int kPixels, int kVectors>
  static void add_piece(const BytePiece& piece, float* sums) {
    Words words[Cut::kPlanes][kPixels][kVectors];
    for (int plane = 0; plane < Cut::kPlanes; ++plane) add_plane(piece, plane * piece.plane_floats, words[plane]);
    const int64_t offset = piece.runs * piece.fields * Cut::kZero;
#pragma GCC unroll 2
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        Int even[Cut::kPlanes], odd[Cut::kPlanes];
#pragma GCC unroll 4
        for (int plane = 0; plane < Cut::kPlanes; ++plane) {
          odd[plane] = words[plane][p][v].odd;
          even[plane] = _mm256_sub_epi16(words[plane][p][v].all, _mm256_slli_epi16(odd[plane], 8));
        }
        float* to = sums + p * ByteIndices::kBlock + v * ByteIndices::kVector;
        add_outputs(even, offset, to);
        add_outputs(odd, offset, to + 16);
      }
    }
  }

  template <int kPixels, int kVectors>
  __attribute__((noinline)) static void add_plane(const BytePiece& piece, int64_t plane,
                                                  Words (&words)[kPixels][kVectors]) {
    constexpr int64_t kFieldBytes = kVectors * ByteIndices::kVector;
    Int all[kPixels][kVectors], odd[kPixels][kVectors];
#pragma GCC unroll 2
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) all[p][v] = odd[p][v] = _mm256_setzero_si256();
    }
    for (int64_t run = 0; run < piece.runs; ++run) {
      const float* table[kPixels];
#pragma GCC unroll 2
      for (int p = 0; p < kPixels; ++p) {
        table[p] = piece.tables.tables[run * piece.tables.stride + p] + plane + piece.first * kPlaneFloats;
      }
      const uint8_t* index = piece.indices + run * piece.run_bytes;
      for (const uint8_t* end = index + piece.groups * Cut::kGroup * kFieldBytes; index != end;
           index += Cut::kGroup * kFieldBytes) {
        Int bytes[kPixels][kVectors];
#pragma GCC unroll 4
        for (int field = 0; field < Cut::kGroup; ++field) {
          pick(table, field, index + field * kFieldBytes, bytes);
        }
#pragma GCC unroll 2
        for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
          for (int v = 0; v < kVectors; ++v) {
            all[p][v] = _mm256_add_epi16(all[p][v], bytes[p][v]);
            odd[p][v] = _mm256_add_epi16(odd[p][v], _mm256_srli_epi16(bytes[p][v], 8));
            Simd::settle(all[p][v]);
            Simd::settle(odd[p][v]);
          }
          table[p] += Cut::kGroup * kPlaneFloats;
        }
      }
    }
#pragma GCC unroll 2
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) words[p][v] = {all[p][v], odd[p][v]};
    }
  }

  /// Adds what a field's indices pick from the tables to the bytes, or sets them where it is a group's first.
  template <int kPixels, int kVectors>
  static inline void pick(const float* const (&table)[kPixels], int field, const uint8_t* indices,
                          Int (&bytes)[kPixels][kVectors]) {
    Int index[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      index[v] = Simd::load_bytes(indices + v * ByteIndices::kVector);
      Simd::settle(index[v]);
    }
#pragma GCC unroll 2
    for (int p = 0; p < kPixels; ++p) {
      const auto* entries = reinterpret_cast<const __m128i*>(table[p] + field * kPlaneFloats);
      const Int both = _mm256_broadcastsi128_si256(_mm_load_si128(entries));
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const Int picked = _mm256_shuffle_epi8(both, index[v]);
        bytes[p][v] = field == 0 ? picked : _mm256_add_epi8(bytes[p][v], picked);
        Simd::settle(bytes[p][v]);
      }
    }
  }

  /// Of words of every plane the 16 sums, to which `offset` was added in the highest plane.
  static void add_outputs(Int (&words)[Cut::kPlanes], int64_t offset, float* sums) {
    words[0] = _mm256_sub_epi16(words[0], _mm256_set1_epi16(static_cast<int16_t>(offset)));
    const Int zero = _mm256_setzero_si256();
    const Int last = Cut::kPlanes == 4 ? words[Cut::kPlanes - 1] : zero;
    const Int third = Cut::kPlanes >= 3 ? words[Cut::kPlanes >= 3 ? 2 : 0] : zero;
    add_vector(_mm256_unpacklo_epi16(words[0], words[1]), _mm256_unpacklo_epi16(third, last), sums);
    add_vector(_mm256_unpackhi_epi16(words[0], words[1]), _mm256_unpackhi_epi16(third, last), sums + 8);
  }

  static void add_vector(Int upper, Int lower, float* sums) {
    const Int weights = _mm256_set1_epi32((1 << 16) + (1 << Cut::kBits));
    const Int high = _mm256_madd_epi16(upper, weights);
    __m256 sum;
    if (Cut::kPlanes == 2) {
      sum = _mm256_cvtepi32_ps(high);
    } else if (Cut::kPlanes == 3) {
      sum = _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(high, Cut::kBits), lower));
    } else {
      const __m256 low = _mm256_cvtepi32_ps(_mm256_madd_epi16(lower, weights));
      sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), _mm256_set1_ps(1 << (2 * Cut::kBits)), low);
    }
    Simd::store(sums, Simd::add(Simd::load(sums), sum));
  }
};

/// The same from tables of the 8 sums of a field whose last sign is positive, as floats; the others are these negated.
class FloatSums {
  using Int = __m256i;
  using Float = __m256;
  static constexpr int64_t kPieceFields = 128;  ///< after which sums start afresh, for the sake of rounding

 public:
  static constexpr int64_t kEntries = 8;

  static void make_table(const float (&x)[kFieldChannels], float* table) {
    Simd::store(table, Simd::add(Simd::make_table({x[0], x[1], x[2]}), Simd::set(x[3])));
  }

  static void add(const ByteIndices& indices, int64_t group, int64_t block, const FieldRange& range, int pixels,
                  const TablePointers& tables, float* sums) {
    const int64_t vectors = indices.block_vectors(block);
    const auto tile = [&](const BytePiece& piece) {
      for (int64_t first = 0; first < indices.block_outputs(block); first += Simd::kLanes) {
        pixels == 2 ? add_piece<2>(piece, vectors, first, sums + first)
                    : add_piece<1>(piece, vectors, first, sums + first);
      }
    };
    for_pieces<kPieceFields>(indices, indices.block(group, block), vectors, range, 1, tables, 0, tile);
  }

 private:
  template <int kPixels>
  static void add_piece(const BytePiece& piece, int64_t vectors, int64_t first, float* sums) {
    const Int byte_of_lane = lanes(first % ByteIndices::kVector / Simd::kLanes);
    Float sum[kPixels];
#pragma GCC unroll 2
    for (int p = 0; p < kPixels; ++p) sum[p] = Simd::set(0);
    for (int64_t run = 0; run < piece.runs; ++run) {
      const uint8_t* indices =
          piece.indices + run * piece.run_bytes + first / ByteIndices::kVector * ByteIndices::kVector;
      const float* const* tables = piece.tables.tables + run * piece.tables.stride;
      for (int64_t field = 0; field < piece.fields; ++field) {
        const Int bytes = Simd::load_bytes(indices + field * vectors * ByteIndices::kVector);
        const Int index = _mm256_shuffle_epi8(bytes, byte_of_lane);
        const Int negated = _mm256_cmpgt_epi32(_mm256_set1_epi32(8), index);
        const Int entry = _mm256_xor_si256(index, negated);
        const Float sign = _mm256_castsi256_ps(_mm256_slli_epi32(negated, 31));
#pragma GCC unroll 2
        for (int p = 0; p < kPixels; ++p) {
          const Float entries = Simd::load(tables[p] + (piece.first + field) * kEntries);
          sum[p] = Simd::add(sum[p], _mm256_xor_ps(Simd::look_up(entry, entries), sign));
        }
      }
    }
#pragma GCC unroll 2
    for (int p = 0; p < kPixels; ++p) {
      float* to = sums + p * ByteIndices::kBlock;
      Simd::store(to, Simd::add(Simd::load(to), sum[p]));
    }
  }

  /// Moves the bytes of a vector of 8 outputs among 32 to its lanes.
  static Int lanes(int64_t vector) {
    const auto first = static_cast<int>(vector % 2 * 8 + vector / 2);
    const Int even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    return _mm256_or_si256(_mm256_add_epi32(even, _mm256_set1_epi32(first)),
                           _mm256_set1_epi32(static_cast<int>(0x80808000)));
  }
};

}  // namespace
}  // namespace edgenet::avx2
