/* Whether each of count tokens is of the vocabulary. */
static int tokens_known(const int32_t* tokens, int count, int32_t vocabulary) {
  for (int t = 0; t < count; t++) {
    if (tokens[t] < 0 || tokens[t] >= vocabulary) return 0;
  }
  return 1;
}
