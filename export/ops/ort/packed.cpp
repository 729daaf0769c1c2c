#include "ort/packed.h"

namespace edgenet {

int64_t checked_row_inputs(const std::string& where, const Shape& sizes) {
  constexpr int64_t limit = int64_t{1} << 24;
  int64_t inputs = 1;
  for (const int64_t size : sizes) {
    inputs = size < limit ? inputs * size : limit;
    if (inputs >= limit) {
      throw Refusal(where + ": attribute weight_shape gives " + list_text(sizes) +
                    " weights an output, expected less than 2^24");
    }
  }
  return inputs;
}

}  // namespace edgenet
