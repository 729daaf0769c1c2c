// The kernels for x86-64 with AVX-512 F, BW, VL and DQ (x86-64-v4).
#pragma once
#include "kernels/kernels.h"

namespace edgenet::avx512 {}  // namespace edgenet::avx512
