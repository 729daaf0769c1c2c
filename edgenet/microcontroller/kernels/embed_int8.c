/* The same of 8-bit rows, each with its scale. */
static void embed_int8(const int32_t* tokens, const int8_t* table, const float* scale, float* y, int width, int count) {
  for (int t = 0; t < count; t++, y += width) {
    const int8_t* row = table + tokens[t] * width;
    for (int i = 0; i < width; i++) y[i] = (float)row[i] * scale[tokens[t]];
  }
}
