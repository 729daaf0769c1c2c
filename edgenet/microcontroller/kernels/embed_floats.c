/* Fetches a row of `width` numbers for each of count tokens. */
static void embed_floats(const int32_t* tokens, const float* table, float* y, int width, int count) {
  for (int t = 0; t < count; t++, y += width) memcpy(y, table + tokens[t] * width, (size_t)width * sizeof *y);
}
