/* sum + w * x, in one instruction where there is one. */
INLINE float add_product(float sum, float w, float x) {
#if defined(__ARM_FEATURE_FMA)
  return fmaf(w, x, sum);
#else
  return sum + w * x;
#endif
}

/* The dot product of w and x. */
INLINE float dot(const float* w, const float* x, int count) {
  float sum = 0.0f;
  int k = 0;
  for (; k + 4 <= count; k += 4) {
    sum = add_product(sum, w[k], x[k]);
    sum = add_product(sum, w[k + 1], x[k + 1]);
    sum = add_product(sum, w[k + 2], x[k + 2]);
    sum = add_product(sum, w[k + 3], x[k + 3]);
  }
  for (; k < count; k++) sum = add_product(sum, w[k], x[k]);
  return sum;
}
