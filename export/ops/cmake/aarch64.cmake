# Cross-builds for 64-bit Arm Linux with the distribution's GCC: from glibc 2.28 and GCC 8's libstdc++ on (Debian 10,
# RHEL 8, Raspberry Pi OS since 2019; ONNX Runtime's own wheels ask the same).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(EDGENET_KEEP_FLOOR ON)

find_program(EDGENET_AARCH64_COMPILER aarch64-linux-gnu-g++)
if(NOT EDGENET_AARCH64_COMPILER)
  message(FATAL_ERROR "The aarch64 preset needs the cross compiler aarch64-linux-gnu-g++. "
                      "Install it (Debian: apt-get install g++-aarch64-linux-gnu).")
endif()
set(CMAKE_CXX_COMPILER ${EDGENET_AARCH64_COMPILER})
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
