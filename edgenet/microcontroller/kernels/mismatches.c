/* Counts of the set bits of v, of 4 bits each. */
INLINE uint32_t nibble_counts(uint32_t v) {
  v -= (v >> 1) & 0x55555555u;
  return (v & 0x33333333u) + ((v >> 2) & 0x33333333u);
}

INLINE uint32_t byte_counts(uint32_t nibbles) { return (nibbles & 0x0F0F0F0Fu) + ((nibbles >> 4) & 0x0F0F0F0Fu); }

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>

/* total + the set bits of v, of which there are four sums. */
INLINE v128_t add_counts(v128_t total, v128_t v) {
  const v128_t pairs = wasm_u16x8_extadd_pairwise_u8x16(wasm_i8x16_popcnt(v));
  return wasm_i32x4_add(total, wasm_u32x4_extadd_pairwise_u16x8(pairs));
}

INLINE int32_t sum_of_four(v128_t v) {
  return wasm_i32x4_extract_lane(v, 0) + wasm_i32x4_extract_lane(v, 1) + wasm_i32x4_extract_lane(v, 2) +
         wasm_i32x4_extract_lane(v, 3);
}

/* In how many of 32 * words bits x and w differ. */
INLINE int32_t mismatches(const uint32_t* x, const uint32_t* w, int words) {
  v128_t total = wasm_i32x4_const_splat(0);
  int i = 0;
  for (; i + 4 <= words; i += 4) total = add_counts(total, wasm_v128_xor(wasm_v128_load(x + i), wasm_v128_load(w + i)));
  int32_t rest = 0;
  for (; i < words; i++) rest += __builtin_popcount(x[i] ^ w[i]);
  return sum_of_four(total) + rest;
}
#else
/* In how many of 32 * words bits x and w differ. A carry-save adder makes one word of twos from every two words, so
 * that only half as many bits are counted; three words of counts up to 4 fit in 4 bits. */
INLINE int32_t mismatches(const uint32_t* x, const uint32_t* w, int words) {
  uint32_t ones = x[0] ^ w[0], twos = 0, total = 0;
  int i = 1;
  for (; i + 6 <= words; i += 6) {
    twos = 0;
    for (int j = i; j < i + 6; j += 2) {
      const uint32_t a = x[j] ^ w[j], b = x[j + 1] ^ w[j + 1], u = a ^ b;
      twos += nibble_counts((a & b) | (u & ones));
      ones ^= u;
    }
    total += (byte_counts(twos) * 0x01010101u) >> 24;
  }
  twos = 0;
  for (; i + 2 <= words; i += 2) {
    const uint32_t a = x[i] ^ w[i], b = x[i + 1] ^ w[i + 1], u = a ^ b;
    twos += nibble_counts((a & b) | (u & ones));
    ones ^= u;
  }
  if (i < words) {
    const uint32_t a = x[i] ^ w[i];
    twos += nibble_counts(a & ones);
    ones ^= a;
  }
  ones = byte_counts(nibble_counts(ones)) + 2 * byte_counts(twos);
  return (int32_t)(2 * total + ((ones * 0x01010101u) >> 24));
}
#endif
