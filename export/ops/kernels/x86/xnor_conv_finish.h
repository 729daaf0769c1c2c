// What becomes of the counts of an XNOR convolution: floats or packed signs, with all that the form says in between.
#pragma once
#include "kernels/kernels.h"
#include "kernels/x86/aligned.h"
#include "kernels/x86/xnor_conv_count.h"
#include "kernels/xnor_conv_layout.h"

namespace edgenet::x86 {
namespace {  // internal linkage: this header is compiled for several instruction sets

/// The outputs of one unit (a group of an image), from its first channel on.
struct UnitOutputs {
  ConvForm form;
  int64_t outputs;
  const float* valid;  ///< dot = valid - 2 * count
  const float *scale, *bias, *slope, *next_threshold;
  const float* residual;
  float* y;
  uint8_t* signs;  ///< of the byte that holds the first channel
};

UnitOutputs unit_outputs(const ConvWeights& w, int64_t outputs, const float* valid, const ConvOperands& operands,
                         int64_t unit) {
  const int64_t group_outputs = w.out_channels / w.group;
  const int64_t channel = unit % w.group * group_outputs;
  const int64_t values = unit * group_outputs * outputs;
  UnitOutputs to{w.form,  outputs, valid,  operands.scale + channel, operands.bias + channel, nullptr, nullptr,
                 nullptr, nullptr, nullptr};
  if (w.form.prelu) to.slope = operands.slope + channel;
  if (w.form.add) to.residual = operands.residual + values;
  if (w.form.to_signs) {
    to.next_threshold = operands.next_threshold + channel;
    to.signs = operands.y_signs + (unit / w.group * ((w.out_channels + 7) / 8) + channel / 8) * outputs;
  } else {
    to.y = operands.y + values;
  }
  return to;
}

/// Fetches what will be read and written of some channels at `count` positions.
inline void fetch_outputs(const UnitOutputs& unit, int64_t channel, int64_t channels, int64_t position, int64_t count) {
  constexpr int64_t kLineFloats = 16;
  if (unit.form.to_signs && !unit.form.add) return;
  for (int64_t c = channel; c < channel + channels; ++c) {
    const int64_t at = c * unit.outputs + position;
    for (int64_t i = 0; i < count + kLineFloats - 1; i += kLineFloats) {
      const int64_t value = at + smaller(i, count - 1);
      if (!unit.form.to_signs) __builtin_prefetch(unit.y + value, 1);
      if (unit.form.add) __builtin_prefetch(unit.residual + value);
    }
  }
}

/// Counts by channel from `channel` on, a multiple of 8, and by position from `position` on.
struct CountedBlock {
  int64_t channel, channels, position, lanes;
  const uint16_t* counts;
  int64_t step;  ///< from one channel's counts to the next
};

template <class Floats, bool add, bool prelu>
EDGENET_INLINE typename Floats::Vector finished(const UnitOutputs& unit, int64_t channel, int64_t position,
                                                int64_t left, typename Floats::Vector count) {
  const typename Floats::Vector dot = Floats::dot(count, unit.valid + position);
  typename Floats::Vector v = Floats::scaled(unit.scale[channel], dot, unit.bias[channel]);
  if constexpr (add) v = Floats::add(v, Floats::load(unit.residual + channel * unit.outputs + position, left));
  if constexpr (prelu) v = Floats::prelu(v, unit.slope[channel]);
  return v;
}

/// Calls body(add, prelu) with constants.
template <class Body>
EDGENET_INLINE void with_form(const ConvForm& form, const Body& body) {
  if (form.add && form.prelu) return body(std::true_type{}, std::true_type{});
  if (form.add) return body(std::true_type{}, std::false_type{});
  if (form.prelu) return body(std::false_type{}, std::true_type{});
  body(std::false_type{}, std::false_type{});
}

template <class Floats, bool add, bool prelu>
EDGENET_NOINLINE void finish_row(const UnitOutputs& unit, int64_t channel, int64_t position, int64_t lanes,
                                 const uint16_t* counts) {
  float* y = unit.y + channel * unit.outputs + position;
  int64_t i = 0;
  for (; i + Floats::kCount <= lanes; i += Floats::kCount) {
    const typename Floats::Vector count = Floats::widen(counts + i);
    Floats::store(y + i, finished<Floats, add, prelu>(unit, channel, position + i, Floats::kCount, count),
                  Floats::kCount);
  }
  if (i == lanes) return;
  const typename Floats::Vector count = Floats::widen(counts + i);
  Floats::store(y + i, finished<Floats, add, prelu>(unit, channel, position + i, lanes - i, count), lanes - i);
}

template <class Floats>
void finish_floats(const UnitOutputs& unit, const CountedBlock& block) {
  with_form(unit.form, [&](auto add, auto prelu) EDGENET_LAMBDA {
    for (int64_t c = 0; c < block.channels; ++c) {
      finish_row<Floats, add, prelu>(unit, block.channel + c, block.position, block.lanes,
                                     block.counts + c * block.step);
    }
  });
}

template <class Floats, bool add, bool prelu>
EDGENET_NOINLINE void finish_octet(const UnitOutputs& unit, const CountedBlock& block, int64_t first) {
  uint8_t* to = unit.signs + (block.channel + first) / 8 * unit.outputs + block.position;
  for (int64_t i = 0; i < block.lanes; i += Floats::kCount) {
    const int64_t left = block.lanes - i;
    typename Floats::Signs signs = Floats::no_signs();
    for (int64_t c = first; c < smaller(first + 8, block.channels); ++c) {
      const int64_t channel = block.channel + c;
      const typename Floats::Vector count = Floats::widen(block.counts + c * block.step + i);
      const typename Floats::Vector v = finished<Floats, add, prelu>(unit, channel, block.position + i, left, count);
      signs = Floats::add_sign(signs, v, unit.next_threshold[channel], 1 << (c - first));
    }
    Floats::store_signs(to + i, signs, left);
  }
}

template <class Floats>
void finish_signs(const UnitOutputs& unit, const CountedBlock& block) {
  with_form(unit.form, [&](auto add, auto prelu) EDGENET_LAMBDA {
    for (int64_t first = 0; first < block.channels; first += 8) finish_octet<Floats, add, prelu>(unit, block, first);
  });
}

template <class Floats>
void finish(const UnitOutputs& unit, const CountedBlock& block) {
  if (unit.form.to_signs) return finish_signs<Floats>(unit, block);
  finish_floats<Floats>(unit, block);
}

}  // namespace
}  // namespace edgenet::x86
