INLINE int32_t dot_int8(const int8_t* w, const int8_t* q, int count) {
  int32_t sum = 0;
  for (int k = 0; k < count; k++) sum += w[k] * q[k];
  return sum;
}
