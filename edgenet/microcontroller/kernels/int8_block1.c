/* The same of one output; w is [channels][rows][pairs][2]. */
INLINE void int8_block1(const int16_t* x, const int16_t* y, const int16_t* w, int channels, int rows, int pairs,
                        int pitch, int plane, int32_t* sums) {
  int32_t a = 0, b = 0;
  for (int c = 0; c < channels; c++, x += plane - rows * pitch, y += plane - rows * pitch)
    for (int r = 0; r < rows; r++, x += pitch, y += pitch) UNROLL for (int k = 0; k < 2 * pairs; k += 2, w += 2) {
        a = add_pair(a, x + k, w);
        b = add_pair(b, y + k, w);
      }
  sums[0] = a, sums[1] = b;
}
