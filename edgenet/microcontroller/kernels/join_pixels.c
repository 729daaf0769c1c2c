/* words[r][c] = the bits of kernel_width pixels from column c of row r, side by side, in one word. */
static void join_pixels(const uint8_t* x, uint32_t* words, int channels, int height, int width, int kernel_width) {
  const int bytes = (channels + 7) / 8, last = channels * (kernel_width - 1);
  for (int r = 0; r < height; r++) {
    uint32_t word = 0;
    for (int c = 0; c < width; c++, x += bytes) {
      uint32_t pixel = 0;
      for (int b = 0; b < bytes; b++) pixel |= (uint32_t)x[b] << (8 * b);
      word = (channels < 32 ? word >> channels : 0) | pixel << last;
      if (c >= kernel_width - 1) *words++ = word;
    }
  }
}
