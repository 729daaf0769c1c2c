// The vector operations that the shared kernels are written in: pairs of 128-bit registers, so that a vector has as
// many lanes as an activation table has entries, and a byte of signs.
#pragma once
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace edgenet::neon {
namespace {  // internal linkage: this header is compiled for several instruction sets

struct Simd {
  struct Float {
    float32x4_t low, high;
  };
  struct Int {
    uint32x4_t low, high;
  };
  static constexpr int kLanes = 8;

  // Shape of the look-up of kernels/x86/lookup.h. Only the lower kGroup * kFields / 2 bits of a half word are used.
  static constexpr int kGroup = 3;      ///< activations a table: tbl picks one of 8 sums
  static constexpr int kFields = 10;    ///< table indices in a 32-bit word
  static constexpr int kVectors = 2;    ///< vectors of outputs a block
  static constexpr int kPositions = 4;  ///< 4 x 2 x 2 sums, 2 x 2 indices (as words and as bytes) and a table

  // Shape of the bit count of kernels/x86/xnor.h: 4 weight rows x 2 input rows x 2 are 16 counters.
  static constexpr int kXnorRows = 2;
  static constexpr int64_t kCountChunks = 31;  ///< a byte counts to 8 a chunk and must not pass 255

  static Float load(const float* from) { return {vld1q_f32(from), vld1q_f32(from + 4)}; }
  static void store(float* to, Float value) {
    vst1q_f32(to, value.low);
    vst1q_f32(to + 4, value.high);
  }
  static Float load_first(const float* from, int64_t count) {
    if (count >= kLanes) return load(from);
    float values[kLanes] = {};
    copy_first(from, count, values);
    return load(values);
  }
  static void store_first(float* to, Float value, int64_t count) {
    if (count >= kLanes) return store(to, value);
    float values[kLanes];
    store(values, value);
    copy_first(values, count, to);
  }
  /// Computes value here, so that its additions stay where they are.
  template <class Vector>
  static void settle(Vector& value) {
    __asm__("" : "+w"(value.low), "+w"(value.high));
  }
  static Float set(float value) { return {vdupq_n_f32(value), vdupq_n_f32(value)}; }
  static Float add(Float a, Float b) { return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)}; }
  static Float subtract(Float a, Float b) { return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)}; }
  static Float multiply(Float a, Float b) { return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)}; }
  static Float divide(Float a, Float b) { return {vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)}; }
  static Float multiply_add(Float a, Float b, Float c) {
    return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
  }
  /// b where either is NaN.
  static Float minimum(Float a, Float b) { return select_less(a, b, a, b); }
  static Float maximum(Float a, Float b) { return select_less(b, a, a, b); }
  static Float magnitude(Float a) { return {vabsq_f32(a.low), vabsq_f32(a.high)}; }
  /// The magnitude of a with the sign of b.
  static Float with_sign(Float a, Float b) {
    const uint32x4_t sign = vdupq_n_u32(0x80000000);
    return {vbslq_f32(sign, b.low, a.low), vbslq_f32(sign, b.high, a.high)};
  }
  static Float select_less(Float a, Float b, Float yes, Float no) {
    return {vbslq_f32(vcltq_f32(a.low, b.low), yes.low, no.low),
            vbslq_f32(vcltq_f32(a.high, b.high), yes.high, no.high)};
  }
  static Float round(Float a) { return {vrndnq_f32(a.low), vrndnq_f32(a.high)}; }
  /// 2^a for integers a in [-126, 127].
  static Float power_of_two(Float a) { return {power_of_two(a.low), power_of_two(a.high)}; }

  /// table[i] = sum of x[j], negated where bit j of i is 0.
  static Float make_table(const float (&x)[kGroup]) {
    const float32x4_t sign0 = {-1, 1, -1, 1};
    const float32x4_t sign1 = {-1, -1, 1, 1};
    const float32x4_t pairs = vfmaq_n_f32(vmulq_n_f32(sign0, x[0]), sign1, x[1]);
    const float32x4_t third = vdupq_n_f32(x[2]);
    return {vsubq_f32(pairs, third), vaddq_f32(pairs, third)};
  }
  static Int load_index(const uint32_t* from) { return {vld1q_u32(from), vld1q_u32(from + 4)}; }
  static Int next_index(Int index) { return {vshrq_n_u32(index.low, kGroup), vshrq_n_u32(index.high, kGroup)}; }
  /// Every lane's table entry; the bits of an index above the lowest kGroup are ignored.
  static Float look_up(Int index, Float table) {
    const uint8x16x2_t bytes = {{vreinterpretq_u8_f32(table.low), vreinterpretq_u8_f32(table.high)}};
    return {look_up(index.low, bytes), look_up(index.high, bytes)};
  }

  static void transpose(Float (&rows)[kLanes]) {
#pragma GCC unroll 2
    for (int i = 0; i < kLanes; i += 4) {
      transpose(rows[i].low, rows[i + 1].low, rows[i + 2].low, rows[i + 3].low);
      transpose(rows[i].high, rows[i + 1].high, rows[i + 2].high, rows[i + 3].high);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const float32x4_t corner = rows[i].high;
      rows[i].high = rows[4 + i].low;
      rows[4 + i].low = corner;
    }
  }

  static constexpr int kBytes = 32;
  static Int zero() { return {vdupq_n_u32(0), vdupq_n_u32(0)}; }
  static Int load_bytes(const uint8_t* from) {
    return {vreinterpretq_u32_u8(vld1q_u8(from)), vreinterpretq_u32_u8(vld1q_u8(from + 16))};
  }
  /// The first count bytes of from, anything beyond; nothing is read at or after `end`, where the memory ends.
  static Int load_first_bytes(const uint8_t* from, int64_t count, const uint8_t* end) {
    if (end - from >= kBytes) return load_bytes(from);
    uint8_t bytes[kBytes] = {};
    std::memcpy(bytes, from, static_cast<size_t>(count));
    return load_bytes(bytes);
  }
  /// For every byte the number of bits in which a and b differ.
  static Int count_differing(Int a, Int b) {
    return {count_bits(veorq_u32(a.low, b.low)), count_bits(veorq_u32(a.high, b.high))};
  }
  /// The same among the bits of `mask`.
  static Int count_differing(Int a, Int b, Int mask) {
    return {count_bits(vandq_u32(veorq_u32(a.low, b.low), mask.low)),
            count_bits(vandq_u32(veorq_u32(a.high, b.high), mask.high))};
  }
  static Int add_counts(Int a, Int b) { return {add_bytes(a.low, b.low), add_bytes(a.high, b.high)}; }
  static Int add_words(Int a, Int b) { return {vaddq_u32(a.low, b.low), vaddq_u32(a.high, b.high)}; }
  /// The sum of every 8 bytes as a 64-bit lane.
  static Int sum_counts(Int bytes) { return {sum_counts(bytes.low), sum_counts(bytes.high)}; }
  /// 64-bit lanes below 2^32 of two vectors as the even and the odd 32-bit lanes of one.
  static Int interleave(Int even, Int odd) { return {vtrn1q_u32(even.low, odd.low), vtrn1q_u32(even.high, odd.high)}; }
  /// pairs[i] holds partial sums of row 2i in its even lanes and of row 2i + 1 in its odd ones: lane r is row r's sum.
  static Int sum_rows(const Int (&pairs)[kLanes / 2]) {
    return {sum_halves(pairs[0], pairs[1]), sum_halves(pairs[2], pairs[3])};
  }
  /// total - 2 * count, exact in float for totals below 2^24.
  static Float dot_from_count(Int count, int64_t total) {
    const int32x4_t all = vdupq_n_s32(static_cast<int>(total));
    return {dot_from_count(count.low, all), dot_from_count(count.high, all)};
  }
  /// Writes the kLanes bits x >= threshold.
  static void store_signs(uint8_t* to, Float x, Float threshold) {
    const uint32x4_t low = vandq_u32(vcgeq_f32(x.low, threshold.low), uint32x4_t{1, 2, 4, 8});
    const uint32x4_t high = vandq_u32(vcgeq_f32(x.high, threshold.high), uint32x4_t{16, 32, 64, 128});
    *to = static_cast<uint8_t>(vaddvq_u32(vorrq_u32(low, high)));
  }

 private:
  static void copy_first(const float* from, int64_t count, float* to) {
    for (int64_t i = 0; i < kLanes; ++i) {
      if (i < count) to[i] = from[i];
    }
  }
  static float32x4_t power_of_two(float32x4_t a) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(a), vdupq_n_s32(127)), 23));
  }
  static float32x4_t look_up(uint32x4_t index, uint8x16x2_t table) {
    const uint32x4_t first = vandq_u32(index, vdupq_n_u32((1 << kGroup) - 1));
    const uint32x4_t bytes = vmlaq_u32(vdupq_n_u32(0x03020100), first, vdupq_n_u32(0x04040404));
    return vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u32(bytes)));
  }
  static void transpose(float32x4_t& a, float32x4_t& b, float32x4_t& c, float32x4_t& d) {
    const float64x2_t ab_even = vreinterpretq_f64_f32(vtrn1q_f32(a, b));
    const float64x2_t ab_odd = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
    const float64x2_t cd_even = vreinterpretq_f64_f32(vtrn1q_f32(c, d));
    const float64x2_t cd_odd = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
    a = vreinterpretq_f32_f64(vzip1q_f64(ab_even, cd_even));
    b = vreinterpretq_f32_f64(vzip1q_f64(ab_odd, cd_odd));
    c = vreinterpretq_f32_f64(vzip2q_f64(ab_even, cd_even));
    d = vreinterpretq_f32_f64(vzip2q_f64(ab_odd, cd_odd));
  }
  static uint32x4_t count_bits(uint32x4_t bits) { return vreinterpretq_u32_u8(vcntq_u8(vreinterpretq_u8_u32(bits))); }
  static uint32x4_t add_bytes(uint32x4_t a, uint32x4_t b) {
    return vreinterpretq_u32_u8(vaddq_u8(vreinterpretq_u8_u32(a), vreinterpretq_u8_u32(b)));
  }
  static uint32x4_t sum_counts(uint32x4_t bytes) {
    return vreinterpretq_u32_u64(vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(vreinterpretq_u8_u32(bytes)))));
  }
  static uint32x4_t sum_halves(Int a, Int b) {
    const uint64x2_t first = vreinterpretq_u64_u32(vaddq_u32(a.low, a.high));
    const uint64x2_t second = vreinterpretq_u64_u32(vaddq_u32(b.low, b.high));
    return vaddq_u32(vreinterpretq_u32_u64(vzip1q_u64(first, second)),
                     vreinterpretq_u32_u64(vzip2q_u64(first, second)));
  }
  static float32x4_t dot_from_count(uint32x4_t count, int32x4_t total) {
    return vcvtq_f32_s32(vmlsq_n_s32(total, vreinterpretq_s32_u32(count), 2));
  }
};

}  // namespace
}  // namespace edgenet::neon
