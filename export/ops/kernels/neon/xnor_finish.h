// What becomes of the counts of an XNOR convolution: floats or packed signs, with all that the form says in between.
#pragma once
#include <arm_neon.h>

#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/neon/xnor_block.h"

namespace edgenet::neon {
namespace {  // internal linkage: a kernel's own

/// The outputs of one unit (a group of an image), every pointer to its first channel.
struct XnorOutputs {
  XnorOutputs(const ConvWeights& w, int64_t plane_outputs, const ConvOperands& operands, int64_t unit)
      : form(w.form), outputs(plane_outputs) {
    const int64_t group_outputs = w.out_channels / w.group;
    const int64_t channel = unit % w.group * group_outputs;
    const int64_t values = unit * group_outputs * outputs;
    scale = operands.scale + channel;
    bias = operands.bias + channel;
    if (form.prelu) slope = operands.slope + channel;
    if (form.add) residual = operands.residual + values;
    if (form.to_signs) {
      next_threshold = operands.next_threshold + channel;
      signs = operands.y_signs + (unit / w.group * ((w.out_channels + 7) / 8) + channel / 8) * outputs;
    } else {
      y = operands.y + values;
    }
  }

  ConvForm form;
  int64_t outputs;
  const float *scale, *bias;
  const float *slope = nullptr, *residual = nullptr, *next_threshold = nullptr;
  float* y = nullptr;
  uint8_t* signs = nullptr;
};

/// The counts of up to 8 channels of up to 4 positions; `whole` points to what each position's dots are counted from.
struct XnorBlock {
  int64_t channel, channels, position, positions;
  uint32_t counts[2][kQuad][kQuad];
  const int32_t* whole[kQuad];
};

inline float32x4_t load_positions(const float* from, int64_t positions) {
  if (positions == kQuad) return vld1q_f32(from);
  float values[kQuad] = {};
  for (int64_t i = 0; i < positions; ++i) values[i] = from[i];
  return vld1q_f32(values);
}

inline void store_positions(float* to, float32x4_t v, int64_t positions) {
  if (positions == kQuad) return vst1q_f32(to, v);
  float values[kQuad];
  vst1q_f32(values, v);
  for (int64_t i = 0; i < positions; ++i) to[i] = values[i];
}

/// The values of channel `block.channel + c`.
inline float32x4_t finished(const XnorOutputs& to, const XnorBlock& block, int64_t c) {
  const int64_t channel = block.channel + c;
  int32x4_t whole = vld1q_dup_s32(block.whole[0] + channel);
  if (block.whole[0] != block.whole[3] || block.whole[1] != block.whole[2] || block.whole[0] != block.whole[1]) {
    whole = vld1q_lane_s32(block.whole[1] + channel, whole, 1);
    whole = vld1q_lane_s32(block.whole[2] + channel, whole, 2);
    whole = vld1q_lane_s32(block.whole[3] + channel, whole, 3);
  }
  const int32x4_t count = vreinterpretq_s32_u32(vld1q_u32(block.counts[c / kQuad][c % kQuad]));
  const float32x4_t dot = vcvtq_f32_s32(vmlsq_n_s32(whole, count, 2));
  // Two roundings, as the specification has it.
  float32x4_t v = vaddq_f32(vmulq_n_f32(dot, to.scale[channel]), vdupq_n_f32(to.bias[channel]));
  if (to.form.add) {
    v = vaddq_f32(v, load_positions(to.residual + channel * to.outputs + block.position, block.positions));
  }
  if (to.form.prelu) v = vbslq_f32(vcgezq_f32(v), v, vmulq_n_f32(v, to.slope[channel]));
  return v;
}

inline void finish(const XnorOutputs& to, const XnorBlock& block) {
  if (!to.form.to_signs) {
    for (int64_t c = 0; c < block.channels; ++c) {
      float* y = to.y + (block.channel + c) * to.outputs + block.position;
      store_positions(y, finished(to, block, c), block.positions);
    }
    return;
  }
  uint32x4_t signs = vdupq_n_u32(0);
  for (int64_t c = 0; c < block.channels; ++c) {
    const float32x4_t threshold = vdupq_n_f32(to.next_threshold[block.channel + c]);
    const uint32x4_t met = vcgeq_f32(finished(to, block, c), threshold);
    signs = vorrq_u32(signs, vandq_u32(met, vdupq_n_u32(1u << c)));
  }
  uint32_t bytes[kQuad];
  vst1q_u32(bytes, signs);
  uint8_t* at = to.signs + block.channel / 8 * to.outputs + block.position;
  for (int64_t i = 0; i < block.positions; ++i) at[i] = static_cast<uint8_t>(bytes[i]);
}

}  // namespace
}  // namespace edgenet::neon
