/* Copies the packed pixels that a kernel meets, bytes each of a pixel's pitch, all inside of the image. */
INLINE void gather_bits_inside(const uint8_t* x, uint8_t* patch, int pitch, int bytes, int width, int kernel_height,
                               int kernel_width, int row_step, int column_step, int row, int column) {
  x += (row * width + column) * pitch;
  for (int i = 0; i < kernel_height; i++)
    for (int j = 0; j < kernel_width; j++, patch += bytes)
      memcpy(patch, x + (i * row_step * width + j * column_step) * pitch, (size_t)bytes);
}
