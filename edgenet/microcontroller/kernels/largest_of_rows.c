/* Finds the largest number of every column of the steps' rows. */
static void largest_of_rows(const float* x, float* y, int width, int steps) {
  memcpy(y, x, (size_t)width * sizeof *y);
  for (int t = 1; t < steps; t++) {
    for (int i = 0; i < width; i++) {
      if (x[t * width + i] > y[i]) y[i] = x[t * width + i];
    }
  }
}
