/* Quantises an image into q [channels][top + height + bottom][pitch], zeros around it; returns the step. */
static float quantize_image(const float* x, int16_t* q, int channels, int height, int width, int top, int left,
                            int padded_height, int pitch) {
  float step;
  const float factor = quantizer(x, channels * height * width, &step);
  memset(q, 0, (size_t)(channels * padded_height * pitch + 1) * sizeof *q);
  for (int c = 0; c < channels; c++)
    for (int r = 0; r < height; r++) {
      int16_t* row = q + (c * padded_height + top + r) * pitch + left;
      for (int i = 0; i < width; i++) row[i] = (int16_t)nearest(*x++ * factor);
    }
  return step;
}
