// Measures what a roofline needs, on the core it runs on, and prints it as JSON: multiply-adds a second of the inner
// loop of each kind of kernel, operands in registers, and bytes a second of reading buffers of several sizes.
//
// Built for this very machine (-march=native) each time it is wanted. The best of many short passes counts: a limit is
// what the machine can do, not what it does on average.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#if defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__AMX_INT8__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

constexpr int kPasses = 40;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// The least time that pass() takes, in seconds.
template <class Pass>
double best_of(int passes, const Pass& pass) {
  double best = 1e9;
  for (int i = 0; i < passes; ++i) {
    const double start = seconds();
    pass();
    const double took = seconds() - start;
    if (took < best) best = took;
  }
  return best;
}

bool first_line = true;

/// Takes the place of a comma after the last entry, which JSON does not have.
void separate() {
  std::printf(first_line ? "\n    " : ",\n    ");
  first_line = false;
}

#if defined(__AVX2__)

/// Hides a register's contents from the compiler, so that nothing is computed ahead of the loop.
template <class Vector>
inline void hide(Vector& value) {
  __asm__ volatile("" : "+v"(value));
}

template <class Vector>
inline Vector any() {
  Vector value;
  std::memset(&value, 1, sizeof(value));
  hide(value);
  return value;
}

/// Runs Step on so many independent sums in turns, which hides what one waits for its own last result.
template <class Step>
void print_peak(const char* isa, const char* arithmetic) {
  constexpr int64_t kRounds = 20000;
  Step sums[Step::kSums];
  const double best = best_of(kPasses, [&] {
    Step local[Step::kSums];
    std::memcpy(local, sums, sizeof(sums));
    auto a = any<typename Step::Vector>();
    auto b = any<typename Step::Vector>();
    for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
      for (int j = 0; j < Step::kSums; ++j) {
        hide(a);
        hide(b);
        local[j].add(a, b);
      }
    }
    std::memcpy(sums, local, sizeof(sums));
    __asm__ volatile("" : : "r"(sums) : "memory");
  });
  separate();
  const double macs = static_cast<double>(kRounds) * Step::kSums * Step::kProducts;
  std::printf(R"({"isa": "%s", "arithmetic": "%s", "gmacs": %.2f})", isa, arithmetic, macs / best / 1e9);
}

// Of 256 bits.

struct Fma256 {
  using Vector = __m256;
  static constexpr int kSums = 10, kProducts = 8;
  Vector sum{};
  void add(Vector a, Vector b) { sum = _mm256_fmadd_ps(a, b, sum); }
};

/// 3 activations have 8 signed sums, of which 3 bits of weight pick one.
struct FloatTable256 {
  using Vector = __m256i;
  static constexpr int kSums = 10, kProducts = 24;
  __m256 sum{};
  void add(Vector table, Vector index) {
    sum = _mm256_add_ps(sum, _mm256_permutevar8x32_ps(_mm256_castsi256_ps(table), index));
  }
};

/// 4 activations have 16 signed sums, of which 4 bits of weight pick one for each of 32 outputs, plane by plane. So
/// many are added as bytes, then even and odd bytes as words.
template <int kAdded, int kPlanes>
struct ConvByteTable256 {
  using Vector = __m256i;
  static constexpr int kSums = 3, kProducts = kAdded * 32 * 4 / kPlanes;
  Vector all{}, odd{};
  void add(Vector table, Vector index) {
    Vector bytes = _mm256_shuffle_epi8(table, index);
    for (int i = 1; i < kAdded; ++i) {
      hide(index);
      bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(table, index));
    }
    all = _mm256_add_epi16(all, bytes);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
  }
};

/// 4 activations have 16 signed sums, of which 4 bits of weight pick one, plane by plane. Four of them are added as
/// bytes; three planes make a sum. Indices are two to a byte, which takes 6 operations for the 12 look-ups of a sum.
struct ByteTable256 {
  using Vector = __m256i;
  static constexpr int kSums = 4, kProducts = 4 * 32 * 4 / 3;
  Vector all{}, odd{};
  void add(Vector table, Vector index) {
    const __m256i low = _mm256_set1_epi8(15);
    const Vector first = _mm256_and_si256(index, low);
    const Vector second = _mm256_srli_epi16(index, 4);
    Vector four = _mm256_add_epi8(_mm256_shuffle_epi8(table, first), _mm256_shuffle_epi8(table, second));
    hide(table);
    four = _mm256_add_epi8(four, _mm256_shuffle_epi8(table, first));
    hide(table);
    four = _mm256_add_epi8(four, _mm256_shuffle_epi8(table, second));
    all = _mm256_add_epi16(all, four);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(four, 8));
  }
};

#if defined(__AVXVNNI__)
struct Int8x256 {
  using Vector = __m256i;
  static constexpr int kSums = 10, kProducts = 32;
  Vector sum{};
  void add(Vector a, Vector b) { sum = _mm256_dpbusd_avx_epi32(sum, a, b); }
};
#else
struct Int8x256 {
  using Vector = __m256i;
  static constexpr int kSums = 8, kProducts = 32;
  Vector sum{};
  void add(Vector a, Vector b) {
    const __m256i pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
    sum = _mm256_add_epi32(sum, pairs);
  }
};
#endif

/// Differing signs of two vectors, counted a nibble at a time by table.
struct Popcount256 {
  using Vector = __m256i;
  static constexpr int kSums = 6, kProducts = 256;
  Vector sum{};
  void add(Vector a, Vector b) {
    const __m256i table = _mm256_set1_epi64x(0x0403030203020201), low = _mm256_set1_epi8(15);
    const __m256i differ = _mm256_xor_si256(a, b);
    sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, _mm256_and_si256(differ, low)));
    sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(differ, 4), low)));
  }
};

/// A lane is a bit, an output: the weights of every other input at most are added by carry-save, one an addition.
struct SignSlices256 {
  using Vector = __m256i;
  static constexpr int kSums = 6, kProducts = 2 * 256;
  Vector sum{};
  void add(Vector a, Vector b) {
    const Vector differ = _mm256_xor_si256(a, b);
    Vector carry = _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(differ, sum));
    hide(carry);
    sum = _mm256_xor_si256(sum, differ);
  }
};

/// A look-up counts 4 channels' differing signs of 2 outputs, a nibble each; 3 of them fit before nibbles are parted.
struct SignTable256 {
  using Vector = __m256i;
  static constexpr int kSums = 4, kProducts = 3 * 256;
  Vector low{}, high{};
  void add(Vector table, Vector index) {
    Vector three = _mm256_shuffle_epi8(table, index);
    hide(index);
    three = _mm256_add_epi8(three, _mm256_shuffle_epi8(table, index));
    hide(index);
    three = _mm256_add_epi8(three, _mm256_shuffle_epi8(table, index));
    low = _mm256_add_epi8(low, three);
    high = _mm256_add_epi8(high, _mm256_and_si256(_mm256_srli_epi16(three, 4), _mm256_set1_epi8(15)));
  }
};

/// The 5 weights of an output under a tap choose an entry of a table in the first-level cache: what they count at 64
/// positions, a nibble each. 3 entries fit before nibbles are parted.
void print_sum_table() {
  constexpr int64_t kRounds = 20000;
  constexpr int kSums = 4, kProducts = 3 * 5 * 64;
  alignas(64) static __m256i tables[3 * kSums];
  std::memset(static_cast<void*>(tables), 1, sizeof(tables));
  const double best = best_of(kPasses, [&] {
    __m256i all[kSums]{}, high[kSums]{};
    for (int64_t i = 0; i < kRounds; ++i) {
      const __m256i* t = tables;
      __asm__ volatile("" : "+r"(t) : : "memory");
#pragma GCC unroll 4
      for (int j = 0; j < kSums; ++j) {
        const __m256i three = _mm256_add_epi8(_mm256_add_epi8(t[3 * j], t[3 * j + 1]), t[3 * j + 2]);
        all[j] = _mm256_add_epi8(all[j], three);
        high[j] = _mm256_add_epi8(high[j], _mm256_srli_epi16(three, 4));
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < kSums; ++j) {
      hide(all[j]);
      hide(high[j]);
    }
  });
  separate();
  const double macs = static_cast<double>(kRounds) * kSums * kProducts;
  std::printf(R"({"isa": "avx2", "arithmetic": "sum table", "gmacs": %.2f})", macs / best / 1e9);
}

void print_256() {
  print_peak<Fma256>("avx2", "fma");
  print_peak<FloatTable256>("avx2", "float table");
  print_peak<ByteTable256>("avx2", "byte table");
  print_peak<ConvByteTable256<2, 3>>("avx2", "conv byte table");
  print_peak<Int8x256>("avx2", "int8");
  print_peak<ConvByteTable256<4, 2>>("avx2", "int8 table");
  print_peak<Popcount256>("avx2", "popcount");
  print_peak<SignSlices256>("avx2", "sign slices");
  print_peak<SignTable256>("avx2", "sign table");
  print_sum_table();
}

#if defined(__AVX512BW__)

struct Fma512 {
  using Vector = __m512;
  static constexpr int kSums = 12, kProducts = 16;
  Vector sum{};
  void add(Vector a, Vector b) { sum = _mm512_fmadd_ps(a, b, sum); }
};

/// 4 activations have 16 signed sums, of which 4 bits of weight pick one.
struct FloatTable512 {
  using Vector = __m512i;
  static constexpr int kSums = 12, kProducts = 64;
  __m512 sum{};
  void add(Vector table, Vector index) {
    sum = _mm512_add_ps(sum, _mm512_permutexvar_ps(index, _mm512_castsi512_ps(table)));
  }
};

/// The same by ternary logic.
struct SignSlices512 {
  using Vector = __m512i;
  static constexpr int kSums = 6, kProducts = 2 * 512;
  Vector sum{};
  void add(Vector a, Vector b) {
    Vector carry = _mm512_ternarylogic_epi64(a, b, sum, 0xe8);
    hide(carry);
    sum = _mm512_ternarylogic_epi64(a, b, sum, 0x96);
  }
};

#if defined(__AVX512VBMI__)
/// 6 activations have 64 signed sums, of which 6 bits of weight pick one, plane by plane. Four of them are added as
/// bytes; three planes make a sum.
struct ByteTable512 {
  using Vector = __m512i;
  static constexpr int kSums = 6, kProducts = 4 * 64 * 6 / 3;
  Vector all{}, odd{};
  void add(Vector table, Vector index) {
    Vector four = _mm512_permutexvar_epi8(index, table);
    for (int i = 1; i < 4; ++i) {
      hide(index);
      four = _mm512_add_epi8(four, _mm512_permutexvar_epi8(index, table));
    }
    all = _mm512_add_epi16(all, four);
    odd = _mm512_add_epi16(odd, _mm512_srli_epi16(four, 8));
  }
};
#endif

#if defined(__AVX512VNNI__)
struct Int8x512 {
  using Vector = __m512i;
  static constexpr int kSums = 12, kProducts = 64;
  Vector sum{};
  void add(Vector a, Vector b) { sum = _mm512_dpbusd_epi32(sum, a, b); }
};
#else
struct Int8x512 {
  using Vector = __m512i;
  static constexpr int kSums = 10, kProducts = 64;
  Vector sum{};
  void add(Vector a, Vector b) {
    const __m512i pairs = _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1));
    sum = _mm512_add_epi32(sum, pairs);
  }
};
#endif

#if defined(__AVX512VPOPCNTDQ__)
struct Popcount512 {
  using Vector = __m512i;
  static constexpr int kSums = 12, kProducts = 512;
  Vector sum{};
  void add(Vector a, Vector b) { sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, b))); }
};
#else
struct Popcount512 {
  using Vector = __m512i;
  static constexpr int kSums = 8, kProducts = 512;
  Vector sum{};
  void add(Vector a, Vector b) {
    const __m512i table = _mm512_set1_epi64(0x0403030203020201), low = _mm512_set1_epi8(15);
    const __m512i differ = _mm512_xor_si512(a, b);
    sum = _mm512_add_epi8(sum, _mm512_shuffle_epi8(table, _mm512_and_si512(differ, low)));
    sum = _mm512_add_epi8(sum, _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(differ, 4), low)));
  }
};
#endif

struct SignTable512 {
  using Vector = __m512i;
  static constexpr int kSums = 8, kProducts = 3 * 512;
  Vector low{}, high{};
  void add(Vector table, Vector index) {
    Vector three = _mm512_shuffle_epi8(table, index);
    hide(index);
    three = _mm512_add_epi8(three, _mm512_shuffle_epi8(table, index));
    hide(index);
    three = _mm512_add_epi8(three, _mm512_shuffle_epi8(table, index));
    low = _mm512_add_epi8(low, three);
    high = _mm512_add_epi8(high, _mm512_and_si512(_mm512_srli_epi16(three, 4), _mm512_set1_epi8(15)));
  }
};

/// Sum and carry of three planes of bits, each a number of one bit a lane.
struct Planes {
  __m512i sum, carry;
};
inline Planes add_planes(__m512i a, __m512i b, __m512i c) {
  const __m512i sum = _mm512_ternarylogic_epi64(a, b, c, 0x96);
  return {sum, _mm512_ternarylogic_epi64(a, b, sum, 0xd4)};
}

inline __m512i load(const __m512i* from) {
  __m512i value = _mm512_load_si512(from);
  hide(value);  // else it is loaded once for each use
  return value;
}

/// Counts bit by bit: three weights of an output choose a sum and a carry of 512 positions from the first-level cache,
/// which are added to numbers whose bits lie in planes.
void print_bit_slices() {
  constexpr int64_t kRounds = 20000;
  constexpr int kGroups = 8, kProducts = kGroups * 3 * 512;
  alignas(64) static __m512i tables[2 * kGroups];
  std::memset(static_cast<void*>(tables), 1, sizeof(tables));
  __m512i ones{}, twos{}, fours{}, eights{};
  const double best = best_of(kPasses, [&] {
    for (int64_t i = 0; i < kRounds; ++i) {
      const __m512i* t = tables;
      __asm__ volatile("" : "+r"(t) : : "memory");
      Planes two[4], four[6], eight[3];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        two[j] = add_planes(ones, load(t + 4 * j), load(t + 4 * j + 2));
        ones = two[j].sum;
      }
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        four[j] = add_planes(twos, load(t + 4 * j + 1), load(t + 4 * j + 3));
        twos = four[j].sum;
      }
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        four[4 + j] = add_planes(twos, two[2 * j].carry, two[2 * j + 1].carry);
        twos = four[4 + j].sum;
      }
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
        eight[j] = add_planes(fours, four[2 * j].carry, four[2 * j + 1].carry);
        fours = eight[j].sum;
      }
      eights = add_planes(eights, eight[0].carry, add_planes(eight[1].carry, eight[2].carry, eights).sum).sum;
    }
    hide(ones);
    hide(twos);
    hide(fours);
    hide(eights);
  });
  separate();
  const double macs = static_cast<double>(kRounds) * kProducts;
  std::printf(R"({"isa": "avx512", "arithmetic": "bit slices", "gmacs": %.2f})", macs / best / 1e9);
}

#if defined(__AMX_INT8__) && defined(__linux__)
/// Asks for the registers of tiles and gives the first 8 of them 16 rows of 64 bytes; whether the system let it.
bool take_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return false;
  alignas(64) uint8_t shapes[64] = {1};
  for (int tile = 0; tile < 8; ++tile) {
    shapes[16 + 2 * tile] = 64;
    shapes[48 + tile] = 16;
  }
  __asm__ volatile("" : : "r"(shapes) : "memory");
  _tile_loadconfig(shapes);
  return true;
}

/// Tiles of 16 rows of 64 bytes, 16 x 16 sums of 64 products each.
void print_int8_tiles() {
  constexpr int64_t kRounds = 2000, kProducts = 4 * 16 * 16 * 64;
  if (!take_tiles()) return;
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  const double best = best_of(kPasses, [&] {
    for (int64_t i = 0; i < kRounds; ++i) {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
  });
  _tile_release();
  separate();
  const double macs = static_cast<double>(kRounds) * kProducts;
  std::printf(R"({"isa": "avx512", "arithmetic": "int8 tiles", "gmacs": %.2f})", macs / best / 1e9);
}
#endif

void print_512() {
#if defined(__AMX_INT8__) && defined(__linux__)
  print_int8_tiles();
#endif
  print_peak<Fma512>("avx512", "fma");
  print_peak<FloatTable512>("avx512", "float table");
#if defined(__AVX512VBMI__)
  print_peak<ByteTable512>("avx512", "byte table");
#endif
  print_peak<Int8x512>("avx512", "int8");
  print_peak<Popcount512>("avx512", "popcount");
  print_peak<SignSlices512>("avx512", "sign slices");
  print_peak<SignTable512>("avx512", "sign table");
  print_bit_slices();
}

#endif
#endif

/// Reads a buffer over and over: what a kernel whose operands take so many bytes can be fed with.
void print_bandwidth(size_t bytes) {
#if defined(__AVX512F__)
  typedef uint64_t Lanes __attribute__((vector_size(64)));
#elif defined(__AVX__)
  typedef uint64_t Lanes __attribute__((vector_size(32)));  // of longer ones GCC 12 makes scalars
#else
  typedef uint64_t Lanes __attribute__((vector_size(16)));
#endif
  const size_t count = bytes / sizeof(Lanes);
  auto* buffer = static_cast<Lanes*>(std::aligned_alloc(sizeof(Lanes), bytes));
  std::memset(static_cast<void*>(buffer), 1, bytes);
  const size_t repeats = bytes < (size_t{1} << 22) ? (size_t{1} << 22) / bytes : 1;
  Lanes total{};
  const double best = best_of(bytes < (size_t{1} << 26) ? kPasses : 12, [&] {
    Lanes a{}, b{}, c{}, d{};
    for (size_t repeat = 0; repeat < repeats; ++repeat) {
      for (size_t i = 0; i < count; i += 4) {
        a ^= buffer[i];
        b ^= buffer[i + 1];
        c ^= buffer[i + 2];
        d ^= buffer[i + 3];
      }
      __asm__ volatile("" : : : "memory");
    }
    total ^= a ^ b ^ c ^ d;
  });
  __asm__ volatile("" : : "m"(total));
  std::free(buffer);
  separate();
  std::printf(R"({"bytes": %zu, "gbytes": %.2f})", bytes, static_cast<double>(repeats * bytes) / best / 1e9);
}

}  // namespace

int main() {
  std::printf("{\n  \"peaks\": [");
#if defined(__AVX2__)
  print_256();
#if defined(__AVX512BW__)
  print_512();
#endif
#endif
  std::printf("\n  ],\n  \"bandwidth\": [");
  first_line = true;
  for (size_t bytes = size_t{1} << 14; bytes <= size_t{1} << 28; bytes *= 2) print_bandwidth(bytes);
  std::printf("\n  ]\n}\n");
}
