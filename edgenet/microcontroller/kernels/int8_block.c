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

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>

/* Lane by lane: sum + the products of pairs i, j, k and l of x with four pairs of w. */
#define ADD_PAIRS(sum, x, w, i, j, k, l) \
  wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_i32x4_shuffle(x, x, i, j, k, l), w))

/* The sum of a lane of each of three vectors, and of one more of the first, second or third. */
#define LANES(v, i, j, k, more, l)                                                                          \
  (wasm_i32x4_extract_lane(v[0], i) + wasm_i32x4_extract_lane(v[1], j) + wasm_i32x4_extract_lane(v[2], k) + \
   wasm_i32x4_extract_lane(v[more], l))
#endif

/* Sums of three outputs at two pixels, x and y, with the numbers of a kernel's row in pairs; w is [channels][rows]
 * [pairs][3][2]. sums: those at x, then those at y. */
INLINE void int8_block3(const int16_t* x, const int16_t* y, const int16_t* w, int channels, int rows, int pairs,
                        int pitch, int plane, int32_t* sums) {
  int32_t a0 = 0, a1 = 0, a2 = 0, b0 = 0, b1 = 0, b2 = 0;
#if defined(__wasm_simd128__)
  /* Four pairs of three outputs are three vectors, whose lanes belong to outputs 0 1 2 0, 1 2 0 1 and 2 0 1 2. */
  v128_t a[3] = {wasm_i32x4_const_splat(0), wasm_i32x4_const_splat(0), wasm_i32x4_const_splat(0)};
  v128_t b[3] = {a[0], a[0], a[0]};
  const int whole = pairs / 4 * 8;
#else
  const int whole = 0;
#endif
  for (int c = 0; c < channels; c++, x += plane - rows * pitch, y += plane - rows * pitch)
    for (int r = 0; r < rows; r++, x += pitch, y += pitch) {
#if defined(__wasm_simd128__)
      for (int k = 0; k < whole; k += 8, w += 24) {
        const v128_t at_x = wasm_v128_load(x + k), at_y = wasm_v128_load(y + k);
        const v128_t first = wasm_v128_load(w), second = wasm_v128_load(w + 8), third = wasm_v128_load(w + 16);
        a[0] = ADD_PAIRS(a[0], at_x, first, 0, 0, 0, 1), b[0] = ADD_PAIRS(b[0], at_y, first, 0, 0, 0, 1);
        a[1] = ADD_PAIRS(a[1], at_x, second, 1, 1, 2, 2), b[1] = ADD_PAIRS(b[1], at_y, second, 1, 1, 2, 2);
        a[2] = ADD_PAIRS(a[2], at_x, third, 2, 3, 3, 3), b[2] = ADD_PAIRS(b[2], at_y, third, 2, 3, 3, 3);
      }
#endif
      UNROLL for (int k = whole; k < 2 * pairs; k += 2, w += 6) {
        a0 = add_pair(a0, x + k, w);
        b0 = add_pair(b0, y + k, w);
        a1 = add_pair(a1, x + k, w + 2);
        b1 = add_pair(b1, y + k, w + 2);
        a2 = add_pair(a2, x + k, w + 4);
        b2 = add_pair(b2, y + k, w + 4);
      }
    }
#if defined(__wasm_simd128__)
  a0 += LANES(a, 0, 2, 1, 0, 3), a1 += LANES(a, 1, 0, 2, 1, 3), a2 += LANES(a, 2, 1, 0, 2, 3);
  b0 += LANES(b, 0, 2, 1, 0, 3), b1 += LANES(b, 1, 0, 2, 1, 3), b2 += LANES(b, 2, 1, 0, 2, 3);
#endif
  sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = b0, sums[4] = b1, sums[5] = b2;
}
