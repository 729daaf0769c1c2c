/* sum + x[0] * w[0] + x[1] * w[1] */
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
INLINE int32_t add_pair(int32_t sum, const int16_t* x, const int16_t* w) {
  uint32_t a, b;
  int32_t result;
  memcpy(&a, x, sizeof a);
  memcpy(&b, w, sizeof b);
  __asm__ volatile("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}
#else
INLINE int32_t add_pair(int32_t sum, const int16_t* x, const int16_t* w) { return sum + x[0] * w[0] + x[1] * w[1]; }
#endif

/* Sums of three outputs at two pixels, x and y, with the numbers of a kernel's row in pairs; w is [channels][rows]
 * [pairs][3][2]. sums: those at x, then those at y. */
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>

/* The pairs of x that four pairs of w meet: outputs 0 1 2 0, then 1 2 0 1, then 2 0 1 2 of three vectors. */
INLINE v128_t pairs_of(v128_t x, int vector) {
  if (vector == 0) return wasm_i32x4_shuffle(x, x, 0, 0, 0, 1);
  return vector == 1 ? wasm_i32x4_shuffle(x, x, 1, 1, 2, 2) : wasm_i32x4_shuffle(x, x, 2, 3, 3, 3);
}

#define LANE(v, vector, lane) wasm_i32x4_extract_lane(v[vector], lane)

INLINE void sum_lanes(const v128_t* v, int32_t* sums) {
  sums[0] += LANE(v, 0, 0) + LANE(v, 0, 3) + LANE(v, 1, 2) + LANE(v, 2, 1);
  sums[1] += LANE(v, 0, 1) + LANE(v, 1, 0) + LANE(v, 1, 3) + LANE(v, 2, 2);
  sums[2] += LANE(v, 0, 2) + LANE(v, 1, 1) + LANE(v, 2, 0) + LANE(v, 2, 3);
}

INLINE void int8_block3(const int16_t* x, const int16_t* y, const int16_t* w, int channels, int rows, int pairs,
                        int pitch, int plane, int32_t* sums) {
  const v128_t zero = wasm_i32x4_const_splat(0);
  v128_t at_x[3] = {zero, zero, zero}, at_y[3] = {zero, zero, zero};
  const int vectors = 3 * pairs / 4;
  memset(sums, 0, 6 * sizeof *sums);
  for (int c = 0; c < channels; c++, x += plane - rows * pitch, y += plane - rows * pitch)
    for (int r = 0; r < rows; r++, x += pitch, y += pitch, w += 6 * pairs) {
      for (int v = 0; v < vectors; v++) {
        const v128_t weights = wasm_v128_load(w + 8 * v);
        const v128_t of_x = pairs_of(wasm_v128_load(x + v / 3 * 8), v % 3);
        const v128_t of_y = pairs_of(wasm_v128_load(y + v / 3 * 8), v % 3);
        at_x[v % 3] = wasm_i32x4_add(at_x[v % 3], wasm_i32x4_dot_i16x8(of_x, weights));
        at_y[v % 3] = wasm_i32x4_add(at_y[v % 3], wasm_i32x4_dot_i16x8(of_y, weights));
      }
      for (int u = 4 * vectors; u < 3 * pairs; u++) {
        sums[u % 3] = add_pair(sums[u % 3], x + u / 3 * 2, w + 2 * u);
        sums[3 + u % 3] = add_pair(sums[3 + u % 3], y + u / 3 * 2, w + 2 * u);
      }
    }
  sum_lanes(at_x, sums);
  sum_lanes(at_y, sums + 3);
}
#else
INLINE void int8_block3(const int16_t* x, const int16_t* y, const int16_t* w, int channels, int rows, int pairs,
                        int pitch, int plane, int32_t* sums) {
  int32_t a0 = 0, a1 = 0, a2 = 0, b0 = 0, b1 = 0, b2 = 0;
  for (int c = 0; c < channels; c++, x += plane - rows * pitch, y += plane - rows * pitch)
    for (int r = 0; r < rows; r++, x += pitch, y += pitch) UNROLL for (int k = 0; k < 2 * pairs; k += 2, w += 6) {
        a0 = add_pair(a0, x + k, w);
        b0 = add_pair(b0, y + k, w);
        a1 = add_pair(a1, x + k, w + 2);
        b1 = add_pair(b1, y + k, w + 2);
        a2 = add_pair(a2, x + k, w + 4);
        b2 = add_pair(b2, y + k, w + 4);
      }
  sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = b0, sums[4] = b1, sums[5] = b2;
}
#endif
