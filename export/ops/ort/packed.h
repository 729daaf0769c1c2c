// Rules of packed rows that all operators share.
#pragma once
#include <cstdint>
#include <string>

#include "ort/error.h"
#include "ort/tensor.h"

namespace edgenet {

inline int64_t row_bytes(int64_t inputs) { return (inputs + 7) / 8; }

/// The number of weights of one output, K: the product of `sizes`; throws Refusal where a float could not hold a sum.
int64_t checked_row_inputs(const std::string& where, const Shape& sizes);

}  // namespace edgenet
