/* table[i] = the sum of v[k] where bit k of i is 1, less those where it is 0. */
INLINE void all_signs(const float* v, float* table) {
  const float low[4] = {-v[0] - v[1], v[0] - v[1], v[1] - v[0], v[0] + v[1]};
  const float high[4] = {-v[2] - v[3], v[2] - v[3], v[3] - v[2], v[2] + v[3]};
  UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < 4; j++) table[4 * i + j] = high[i] + low[j];
}

/* sums[o] = the sum of x[k] where bit k of row o is 1, less those where it is 0. Four numbers have 16 such sums, which
 * are made once and looked up for every row: a quarter of the additions. */
static void signed_sums(const float* x, const uint32_t* rows, float* sums, int count, int outputs) {
  const int words = (count + 31) / 32;
  float table[8][16];
  for (int o = 0; o < outputs; o++) sums[o] = 0.0f;
  for (int word = 0; word < words; word++, x += 32, count -= 32) {
    const int groups = count < 32 ? (count + 3) / 4 : 8;
    for (int g = 0; g < count / 4 && g < 8; g++) all_signs(x + 4 * g, table[g]);
    if (4 * groups > count) {
      float last[4] = {0.0f, 0.0f, 0.0f, 0.0f};
      for (int i = 4 * (groups - 1); i < count; i++) last[i % 4] = x[i];
      all_signs(last, table[groups - 1]);
    }
    const uint32_t* row = rows + word;
    for (int o = 0; o < outputs; o++, row += words) {
      uint32_t bits = *row;
      float sum = sums[o];
      if (groups == 8) {
        UNROLL for (int g = 0; g < 8; g++) sum += table[g][(bits >> (4 * g)) & 15];
      } else {
        for (int g = 0; g < groups; g++, bits >>= 4) sum += table[g][bits & 15];
      }
      sums[o] = sum;
    }
  }
}
