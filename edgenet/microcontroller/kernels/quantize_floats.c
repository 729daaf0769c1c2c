/* Quantises count numbers to 8 bits, kept as floats; returns the step. */
static float quantize_floats(const float* x, float* q, int count) {
  float step;
  const float factor = quantizer(x, count, &step);
  for (int i = 0; i < count; i++) q[i] = (float)nearest(x[i] * factor);
  return step;
}
