INLINE float hard_tanh(float a) { return a < -1.0f ? -1.0f : a > 1.0f ? 1.0f : a; }

INLINE float hard_sigmoid(float a) {
  const float line = a * 0.25f + 0.5f;
  return line < 0.0f ? 0.0f : line > 1.0f ? 1.0f : line;
}
