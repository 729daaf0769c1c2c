/* The same for every step's row. */
static void pack_rows(const float* x, const float* threshold, uint32_t* bits, int count, int steps) {
  for (int t = 0; t < steps; t++) pack_row(x + t * count, threshold, bits + t * ((count + 31) / 32), count);
}
