/* The same where mask is set. */
INLINE int32_t mismatches_within(const uint32_t* x, const uint32_t* w, const uint32_t* mask, int words) {
#if defined(__wasm_simd128__)
  v128_t total = wasm_i32x4_const_splat(0);
  int i = 0;
  for (; i + 4 <= words; i += 4) {
    const v128_t differ = wasm_v128_xor(wasm_v128_load(x + i), wasm_v128_load(w + i));
    total = add_counts(total, wasm_v128_and(differ, wasm_v128_load(mask + i)));
  }
  int32_t rest = 0;
  for (; i < words; i++) rest += __builtin_popcount((x[i] ^ w[i]) & mask[i]);
  return sum_of_four(total) + rest;
#else
  uint32_t total = 0;
  for (int i = 0; i < words; i++) total += (byte_counts(nibble_counts((x[i] ^ w[i]) & mask[i])) * 0x01010101u) >> 24;
  return (int32_t)total;
#endif
}
