/* The same of rows of packed signs: a set bit is the scale, another its negative. */
static void embed_bits(const int32_t* tokens, const uint32_t* table, const float* scale, float* y, int width,
                       int count) {
  for (int t = 0; t < count; t++, y += width) {
    const uint32_t* row = table + tokens[t] * ((width + 31) / 32);
    for (int i = 0; i < width; i++) y[i] = row[i / 32] >> (i % 32) & 1 ? scale[tokens[t]] : -scale[tokens[t]];
  }
}
