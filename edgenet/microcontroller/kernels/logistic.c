INLINE float logistic(float a) { return 1.0f / (1.0f + expf(-a)); }
