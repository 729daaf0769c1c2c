/* Packs sign(x >= threshold) of count numbers; the last word's spare bits are 0. */
static void pack_row(const float* x, const float* threshold, uint32_t* bits, int count) {
  for (int k = 0; k < count; k += 32) {
    uint32_t word = 0;
    const int end = count - k < 32 ? count - k : 32;
    for (int i = 0; i < end; i++) word |= (uint32_t)(x[k + i] >= threshold[k + i]) << i;
    bits[k / 32] = word;
  }
}
