// What the extensions of Ice Lake and Zen 4 (VNNI, VPOPCNTDQ, VBMI, VBMI2, BITALG, GFNI) make faster than
// kernels/avx512/.
#pragma once
#include "kernels/kernels.h"

namespace edgenet::avx512icl {

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights);
/// The same with bit slices before population counts.
std::unique_ptr<ConvKernel> make_sliced_xnor_conv2d(const ConvWeights& weights);
std::unique_ptr<LinearKernel> make_xnor_linear(const LinearWeights& weights);
std::unique_ptr<LinearKernel> make_bwn_linear(const LinearWeights& weights);
std::unique_ptr<RecurrenceKernel> make_xnor_recurrence(const LinearWeights& weights);
std::unique_ptr<RecurrenceKernel> make_bwn_recurrence(const LinearWeights& weights);
std::unique_ptr<RecurrenceKernel> make_xnor_lstm(const LinearWeights& weights);
std::unique_ptr<RecurrenceKernel> make_bwn_lstm(const LinearWeights& weights);
std::unique_ptr<RecurrenceKernel> make_xnor_gru(const LinearWeights& weights);
std::unique_ptr<RecurrenceKernel> make_bwn_gru(const LinearWeights& weights);
std::unique_ptr<ConvKernel> make_int8_conv2d(const ConvWeights& weights);
std::unique_ptr<ConvKernel> make_bwn_int8_conv2d(const ConvWeights& weights);
std::unique_ptr<LinearKernel> make_int8_linear(const LinearWeights& weights);

}  // namespace edgenet::avx512icl
