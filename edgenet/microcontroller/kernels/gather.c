/* Copies the numbers that a kernel meets, [channels][kernel_height][kernel_width], zeros outside of the image. */
INLINE void gather(const float* x, float* patch, int channels, int height, int width, int kernel_height,
                   int kernel_width, int row_step, int column_step, int row, int column) {
  for (int c = 0; c < channels; c++, x += height * width)
    for (int i = 0; i < kernel_height; i++) {
      const int r = row + i * row_step;
      for (int j = 0; j < kernel_width; j++) {
        const int k = column + j * column_step;
        *patch++ = r < 0 || r >= height || k < 0 || k >= width ? 0.0f : x[r * width + k];
      }
    }
}
