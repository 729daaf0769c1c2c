// Functions that have a newer version since glibc 2.34, where several libraries became one: the linker sends every call
// here (--wrap), and these ask for the version that both have.
#include <cstddef>

namespace {

using Main = int (*)(int, char**, char**);
using Init = void (*)(int, char**, char**);

extern "C" {
int start_2_17(Main main, int argc, char** argv, Init init, void (*fini)(), void (*rtld_fini)(), void* stack_end);
void* dlopen_2_17(const char* file, int mode);
void* dlsym_2_17(void* handle, const char* name);
int dlclose_2_17(void* handle);
char* dlerror_2_17();
int pthread_create_2_17(void* thread, const void* attributes, void* (*body)(void*), void* argument);
int pthread_join_2_17(unsigned long thread, void** result);
extern const Init __init_array_start[], __init_array_end[];
}

__asm__(".symver start_2_17, __libc_start_main@GLIBC_2.17");
__asm__(".symver dlopen_2_17, dlopen@GLIBC_2.17");
__asm__(".symver dlsym_2_17, dlsym@GLIBC_2.17");
__asm__(".symver dlclose_2_17, dlclose@GLIBC_2.17");
__asm__(".symver dlerror_2_17, dlerror@GLIBC_2.17");
__asm__(".symver pthread_create_2_17, pthread_create@GLIBC_2.17");
__asm__(".symver pthread_join_2_17, pthread_join@GLIBC_2.17");

/// Before 2.34 a program runs its own constructors.
void run_constructors(int argc, char** argv, char** environment) {
  for (const Init* init = __init_array_start; init != __init_array_end; ++init) (*init)(argc, argv, environment);
}

}  // namespace

extern "C" {

int __wrap___libc_start_main(Main main, int argc, char** argv, Init, void (*)(), void (*rtld_fini)(), void* stack_end) {
  return start_2_17(main, argc, argv, run_constructors, nullptr, rtld_fini, stack_end);
}
void* __wrap_dlopen(const char* file, int mode) { return dlopen_2_17(file, mode); }
void* __wrap_dlsym(void* handle, const char* name) { return dlsym_2_17(handle, name); }
int __wrap_dlclose(void* handle) { return dlclose_2_17(handle); }
char* __wrap_dlerror() { return dlerror_2_17(); }
int __wrap_pthread_create(void* thread, const void* attributes, void* (*body)(void*), void* argument) {
  return pthread_create_2_17(thread, attributes, body, argument);
}
int __wrap_pthread_join(unsigned long thread, void** result) { return pthread_join_2_17(thread, result); }

}  // extern "C"
