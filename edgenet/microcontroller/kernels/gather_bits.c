/* Copies the packed pixels that a kernel meets, bytes each of a pixel's pitch, and marks in mask those inside of the
 * image; returns how many those are. */
static int gather_bits(const uint8_t* x, uint8_t* patch, uint8_t* mask, int pitch, int bytes, int height, int width,
                       int kernel_height, int kernel_width, int row_step, int column_step, int row, int column) {
  int inside = 0;
  for (int i = 0; i < kernel_height; i++)
    for (int j = 0; j < kernel_width; j++, patch += bytes, mask += bytes) {
      const int r = row + i * row_step, c = column + j * column_step;
      const int valid = r >= 0 && r < height && c >= 0 && c < width;
      memset(mask, valid ? 255 : 0, (size_t)bytes);
      if (valid) memcpy(patch, x + (r * width + c) * pitch, (size_t)bytes);
      inside += valid;
    }
  return inside;
}
