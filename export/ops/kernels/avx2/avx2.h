// The kernels for x86-64 with AVX2, FMA, BMI2 and POPCNT (x86-64-v3).
#pragma once
#include "kernels/kernels.h"

namespace edgenet::avx2 {}  // namespace edgenet::avx2
