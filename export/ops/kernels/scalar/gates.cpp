#include <stdexcept>

#include "kernels/scalar/scalar.h"

namespace edgenet::scalar {

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights&) { throw std::logic_error("to come"); }

std::unique_ptr<RecurrenceKernel> make_bwn_lstm(const LinearWeights&) { throw std::logic_error("to come"); }

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights&) { throw std::logic_error("to come"); }

std::unique_ptr<RecurrenceKernel> make_bwn_gru(const LinearWeights&) { throw std::logic_error("to come"); }

}  // namespace edgenet::scalar
