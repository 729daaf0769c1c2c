/* The same where mask is set. */
INLINE int32_t mismatches_within(const uint32_t* x, const uint32_t* w, const uint32_t* mask, int words) {
  uint32_t total = 0;
  for (int i = 0; i < words; i++) total += (byte_counts(nibble_counts((x[i] ^ w[i]) & mask[i])) * 0x01010101u) >> 24;
  return (int32_t)total;
}
