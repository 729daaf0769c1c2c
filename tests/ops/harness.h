// What the kernel tests share: random values, threads, guarded memory and comparison.
#pragma once
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "kernels/kernels.h"

namespace edgenet::test {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  int64_t between(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[between(0, static_cast<int64_t>(choices.size()) - 1)];
  }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(engine_); }

  std::vector<float> floats(int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(engine_);
    return values;
  }

  /// Normal values among which about one in `rarity` is what kernels trip over: zeros of both signs, infinities, NaN.
  std::vector<float> awkward_floats(int64_t count, int64_t rarity) {
    std::vector<float> values = floats(count);
    const float infinity = std::numeric_limits<float>::infinity();
    for (float& value : values) {
      if (between(1, rarity) == 1) value = pick({0.0f, -0.0f, infinity, -infinity, std::nanf("")});
    }
    return values;
  }

  std::vector<uint8_t> packed(int64_t rows, int64_t bits) {
    const int64_t row_bytes = (bits + 7) / 8;
    std::vector<uint8_t> bytes(static_cast<size_t>(rows * row_bytes));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(between(0, 255));
    if (bits % 8 != 0) {
      for (int64_t row = 1; row <= rows; ++row) bytes[static_cast<size_t>(row * row_bytes - 1)] &= (1 << bits % 8) - 1;
    }
    return bytes;
  }

 private:
  std::mt19937 engine_;
};

/// Whether to pass a case over: EDGENET_TEST_SHARE, from 0 to 1, is how many of all cases a slow (emulated) machine
/// runs.
inline bool left_out(Random& random) {
  const char* share = std::getenv("EDGENET_TEST_SHARE");
  return share != nullptr && !random.chance(std::atof(share));
}

inline void run_in_order(const void*, size_t count, void (*body)(void*, size_t), void* argument) {
  for (size_t i = 0; i < count; ++i) body(argument, i);
}

inline void run_on_threads(const void*, size_t count, void (*body)(void*, size_t), void* argument) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) body(argument, i);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
}

/// 64-byte aligned memory, filled with a pattern, that ends in a fence.
class GuardedMemory {
 public:
  explicit GuardedMemory(size_t bytes) : bytes_(bytes), memory_((bytes + 2 * kFence + 63) / 64 * 64) {
    data_ = static_cast<uint8_t*>(std::aligned_alloc(64, memory_));
    std::memset(data_, kPattern, memory_);
  }
  ~GuardedMemory() { std::free(data_); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  void* get() const { return data_; }
  bool intact() const {
    for (size_t i = bytes_; i < memory_; ++i) {
      if (data_[i] != kPattern) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kFence = 128;
  static constexpr uint8_t kPattern = 0xa5;
  size_t bytes_, memory_;
  uint8_t* data_;
};

/// Two floats that mean the same: equal, with equal sign of zero, or both NaN.
inline bool same(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

class Report {
 public:
  template <class... Parts>
  void expect(bool condition, const Parts&... parts) {
    ++checks_;
    if (condition) return;
    if (++failures_ > 20) return;
    std::ostringstream text;
    (text << ... << parts);
    std::printf("FAILED: %s\n", text.str().c_str());
  }

  int finish() const {
    std::printf("%ld checks, %ld failures\n", checks_, failures_);
    return failures_ == 0 && checks_ > 0 ? 0 : 1;
  }

 private:
  long checks_ = 0, failures_ = 0;
};

/// The first place where two results differ by more than `tolerance` (null: to the bit), or -1.
inline int64_t first_difference(const float* found, const float* expected, const float* tolerance, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (same(found[i], expected[i])) continue;
    const bool both_finite = std::isfinite(found[i]) && std::isfinite(expected[i]);
    if (tolerance == nullptr || !both_finite || std::fabs(found[i] - expected[i]) > tolerance[i]) return i;
  }
  return -1;
}

}  // namespace edgenet::test
