// What newer compilers take from a newer glibc or libstdc++, for the file that this is linked into alone.
#include <new>

/// glibc 2.32: whether reference counts may do without atomics. Never, where nobody says so.
extern "C" {
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}

namespace std {
/// GCC 11.
[[noreturn]] __attribute__((visibility("hidden"))) void __throw_bad_array_new_length() { throw bad_array_new_length(); }
}  // namespace std
