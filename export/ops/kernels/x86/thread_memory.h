// Memory that a thread works in and keeps: to ask the system for it at every call would cost as much as a small layer.
#pragma once
#include <cstdint>
#include <new>

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

class ThreadMemory {
 public:
  /// At least so many bytes on a cache line, contents undefined; valid until this thread's next call.
  static uint8_t* get(int64_t bytes) {
    thread_local ThreadMemory memory;
    if (memory.size_ < bytes) {
      memory.release();
      memory.bytes_ = static_cast<uint8_t*>(::operator new(static_cast<size_t>(bytes), kLine));
      memory.size_ = bytes;
    }
    return memory.bytes_;
  }

  ThreadMemory(const ThreadMemory&) = delete;
  ThreadMemory& operator=(const ThreadMemory&) = delete;

 private:
  static constexpr std::align_val_t kLine{64};

  ThreadMemory() = default;
  ~ThreadMemory() { release(); }
  void release() {
    if (bytes_ != nullptr) ::operator delete(bytes_, kLine);
    bytes_ = nullptr;
    size_ = 0;
  }

  uint8_t* bytes_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace
}  // namespace edgenet::x86
