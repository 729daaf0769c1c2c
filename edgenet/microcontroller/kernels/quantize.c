/* 127 / m for the largest |x|, m, at least 1e-30; *step becomes m / 127. */
static float quantizer(const float* x, int count, float* step) {
  float m = 1e-30f;
  for (int i = 0; i < count; i++) {
    const float a = fabsf(x[i]);
    if (a > m) m = a;
  }
  *step = m / 127.0f;
  return 127.0f / m;
}

/* x rounded to an integer, half to even; |x| is small. */
INLINE int32_t nearest(float x) {
  const float shifted = x + 12582912.0f; /* 1.5 * 2^23: the last bit of the sum is 1 */
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4B400000;
}
