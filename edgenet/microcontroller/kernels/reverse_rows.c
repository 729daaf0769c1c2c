/* The steps' rows, the last one first. */
static void reverse_rows(const float* x, float* y, int width, int steps) {
  for (int t = 0; t < steps; t++) memcpy(y + t * width, x + (steps - 1 - t) * width, (size_t)width * sizeof *y);
}
