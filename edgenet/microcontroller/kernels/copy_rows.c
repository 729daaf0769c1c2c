/* Copies a part of every step's row into a part of another's. */
static void copy_rows(const float* x, float* y, int start, int stride, int to, int to_stride, int width, int steps) {
  for (int t = 0; t < steps; t++) memcpy(y + t * to_stride + to, x + t * stride + start, (size_t)width * sizeof *y);
}
