/* Quantises count numbers to 8 bits; returns the step. */
static float quantize_row(const float* x, int8_t* q, int count) {
  float step;
  const float factor = quantizer(x, count, &step);
  for (int i = 0; i < count; i++) q[i] = (int8_t)nearest(x[i] * factor);
  return step;
}
