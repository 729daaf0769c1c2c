// The specification as code, for any CPU. Every other set must agree with these.
#pragma once
#include "kernels/kernels.h"

namespace edgenet::scalar {

std::unique_ptr<ConvKernel> make_xnor_conv2d(const ConvWeights& weights);
std::unique_ptr<ConvKernel> make_bwn_conv2d(const ConvWeights& weights);
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

/// One call of a kernel made for it alone, for what another set's kernel leaves to this one.
size_t xnor_conv2d_scratch_bytes(const ConvWeights& weights, const Image& image);
void run_xnor_conv2d(const ConvWeights& weights, const Image& image, const ConvOperands& operands,
                     const Executor& executor);

}  // namespace edgenet::scalar
