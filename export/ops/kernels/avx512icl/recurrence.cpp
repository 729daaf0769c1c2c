#include "kernels/avx512/avx512.h"
#include "kernels/avx512icl/avx512icl.h"

namespace edgenet::avx512icl {

std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights) {
  return avx512::make_xnor_recurrence(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights) {
  return avx512::make_xnor_lstm(weights);
}

std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights) { return avx512::make_xnor_gru(weights); }

}  // namespace edgenet::avx512icl
