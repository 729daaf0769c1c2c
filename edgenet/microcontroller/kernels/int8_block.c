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
