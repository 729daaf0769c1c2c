/* Copies the numbers that a kernel meets, [channels][kernel_height][kernel_width], all inside of the image. */
INLINE void gather_inside(const float* x, float* patch, int channels, int height, int width, int kernel_height,
                          int kernel_width, int row_step, int column_step, int row, int column) {
  x += row * width + column;
  for (int c = 0; c < channels; c++, x += height * width)
    for (int i = 0; i < kernel_height; i++)
      for (int j = 0; j < kernel_width; j++) *patch++ = x[i * row_step * width + j * column_step];
}
