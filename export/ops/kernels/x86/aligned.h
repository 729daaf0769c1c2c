// A block of memory on a cache line. Not std::vector: its members, compiled here for a wide instruction set, would have
// external linkage and could replace the copies that other CPUs run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

class AlignedWords {
 public:
  explicit AlignedWords(int64_t count)
      : words_(static_cast<uint32_t*>(
            ::operator new(static_cast<size_t>(count) * sizeof(uint32_t), std::align_val_t{64}))) {}
  ~AlignedWords() { ::operator delete(words_, std::align_val_t{64}); }
  AlignedWords(const AlignedWords&) = delete;
  AlignedWords& operator=(const AlignedWords&) = delete;

  uint32_t* data() { return words_; }
  const uint32_t* data() const { return words_; }

 private:
  uint32_t* words_;
};

constexpr int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace
}  // namespace edgenet::x86
