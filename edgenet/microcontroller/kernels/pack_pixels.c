/* Packs the signs of an image [channels][pixels], a pixel's channels side by side in whole bytes;
 * thresholds are by channel, or by channel and pixel. */
static void pack_pixels(const float* x, const float* threshold, uint8_t* bits, int channels, int pixels, int by_pixel) {
  const int bytes = (channels + 7) / 8;
  for (int p = 0; p < pixels; p++)
    for (int b = 0; b < bytes; b++) {
      uint32_t byte = 0;
      for (int c = 8 * b; c < channels && c < 8 * b + 8; c++)
        byte |= (uint32_t)(x[c * pixels + p] >= threshold[by_pixel ? c * pixels + p : c]) << (c - 8 * b);
      bits[p * bytes + b] = (uint8_t)byte;
    }
}
