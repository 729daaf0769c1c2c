/* Copies every so many rows and columns of an image's channels, whose steps are in numbers. */
static void pick_pixels(const float* x, float* y, int channels, int height, int width, int plane, int down, int right) {
  for (int c = 0; c < channels; c++) {
    for (int i = 0; i < height; i++) {
      for (int j = 0; j < width; j++) *y++ = x[c * plane + i * down + j * right];
    }
  }
}
