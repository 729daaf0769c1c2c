#include "kernels/xnor_conv_layout.h"

#include <algorithm>

namespace edgenet {

namespace {

constexpr int bits_set(int value) {
  int count = 0;
  for (; value != 0; value &= value - 1) ++count;
  return count;
}

struct Tables {
  alignas(64) uint8_t counts[256][16];
  alignas(64) uint8_t positions[kCodes * kCodes][16];

  constexpr Tables() : counts(), positions() {
    for (int weights = 0; weights < 256; ++weights) {
      for (int signs = 0; signs < 16; ++signs) {
        counts[weights][signs] =
            static_cast<uint8_t>(bits_set((weights & 15) ^ signs) | bits_set((weights >> 4) ^ signs) << 4);
      }
    }
    for (int a = 0; a < kCodes; ++a) {
      for (int b = 0; b < kCodes; ++b) {
        for (int weights = 0; weights < 16; ++weights) {
          const int first = a == kCodes - 1 ? 0 : bits_set(a ^ weights);
          const int second = b == kCodes - 1 ? 0 : bits_set(b ^ weights);
          positions[a * kCodes + b][weights] = static_cast<uint8_t>(first | second << 4);
        }
      }
    }
  }
};

constexpr Tables tables;

constexpr int64_t kCacheLine = 64;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

const uint8_t (&count_table)[256][16] = tables.counts;
const uint8_t (&position_table)[kCodes * kCodes][16] = tables.positions;

bool has_tables(const ConvWeights& weights) {
  const int64_t row_inputs = weights.group_channels * weights.kernel_height * weights.kernel_width;
  const bool bytes_shared = weights.group > 1 && weights.out_channels / weights.group % 8 != 0;
  return row_inputs <= 0xffff && !(weights.form.to_signs && bytes_shared);
}

int64_t XnorAxis::offset(int64_t tap) const { return tap * dilation - pad; }

bool XnorAxis::used(int64_t tap) const { return first(tap) < end(tap); }

int64_t XnorAxis::first(int64_t tap) const { return offset(tap) >= 0 ? 0 : divide_up(-offset(tap), stride); }

int64_t XnorAxis::end(int64_t tap) const {
  return offset(tap) >= size ? 0 : std::min(outputs, (size - 1 - offset(tap)) / stride + 1);
}

int64_t XnorAxis::used_taps() const {
  int64_t count = 0;
  for (int64_t tap = 0; tap < taps; ++tap) count += used(tap);
  return count;
}

XnorLayout::XnorLayout(const ConvWeights& w, const Image& image)
    : vertical{w.kernel_height, w.stride_height, w.dilation_height, w.pad_top, image.height, image.out_height},
      horizontal{w.kernel_width, w.stride_width, w.dilation_width, w.pad_left, image.width, image.out_width},
      rows_share_planes(vertical.stride == 1),
      quads(divide_up(w.group_channels, kQuad)),
      outputs(image.out_height * image.out_width),
      used_rows(vertical.used_taps()),
      used_columns(horizontal.used_taps()),
      first_row(0),
      plane_rows(image.out_height) {
  if (rows_share_planes && used_rows > 0) {
    int64_t first = 0;
    while (!vertical.used(first)) ++first;
    int64_t last = vertical.taps - 1;
    while (!vertical.used(last)) --last;
    first_row = vertical.offset(first);
    plane_rows += vertical.offset(last) - first_row;
  }
  plane_bytes = plane_rows * image.out_width;
  // Packing piece by piece writes a little beyond the end of a plane after the next one has been begun.
  if (image.height * image.width > kPieceBytes) plane_bytes += kLayoutSlack;
  planes = used_columns * (rows_share_planes ? std::min<int64_t>(used_rows, 1) : used_rows);
  quad_bytes = divide_up(planes * plane_bytes + kLayoutSlack, 64) * 64;
  unit_bytes = quads * quad_bytes;
  taps = quads * used_rows * used_columns;
}

void XnorLayout::fill_taps(XnorTap* to) const {
  XnorTap* end = to;  // of the first quad's
  int64_t row_index = 0;
  for (int64_t row = 0; row < vertical.taps; ++row) {
    if (!vertical.used(row)) continue;
    const int64_t row_offset = rows_share_planes ? (vertical.offset(row) - first_row) * horizontal.outputs : 0;
    int64_t plane = rows_share_planes ? 0 : row_index * used_columns;
    for (int64_t column = 0; column < horizontal.taps; ++column) {
      if (!horizontal.used(column)) continue;
      const int64_t weight = row * horizontal.taps + column;
      *end++ = {static_cast<uint32_t>(plane++ * plane_bytes + row_offset), static_cast<uint32_t>(weight)};
    }
    ++row_index;
  }
  const int64_t quad_taps = end - to;
  const int64_t quad_weights = vertical.taps * horizontal.taps;
  for (int64_t i = quad_taps; i < taps; ++i) {
    to[i] = {static_cast<uint32_t>(to[i - quad_taps].signs + quad_bytes),
             static_cast<uint32_t>(to[i - quad_taps].index + quad_weights)};
  }
}

int64_t XnorPlane::first_from(int64_t input_row) const {
  const int64_t distance = input_row - row_offset;
  return distance <= 0 ? 0 : divide_up(distance, row_stride);
}

void XnorLayout::fill_planes(XnorPlane* to) const {
  for (int64_t row = 0; row < vertical.taps; ++row) {
    if (!vertical.used(row)) continue;
    XnorPlane plane{};
    plane.row_offset = rows_share_planes ? first_row : vertical.offset(row);
    plane.row_stride = vertical.stride;
    plane.first_row = std::min(plane_rows, plane.first_from(0));
    plane.end_row = std::min(plane_rows, plane.first_from(vertical.size));
    for (int64_t column = 0; column < horizontal.taps; ++column) {
      if (!horizontal.used(column)) continue;
      plane.column_offset = horizontal.offset(column);
      plane.first = horizontal.first(column);
      plane.end = horizontal.end(column);
      *to++ = plane;
    }
    if (rows_share_planes) return;
  }
}

void XnorLayout::fill_valid(int64_t group_channels, int64_t slack, float* to) const {
  // Row 0 counts columns and column 0 counts rows, until the products are made from the last to the first.
  const int64_t width = horizontal.outputs;
  std::fill(to, to + outputs + slack, 0.0f);
  float first_row_taps = 0;
  for (int64_t tap = 0; tap < vertical.taps; ++tap) {
    const int64_t first = vertical.first(tap);
    const int64_t end = vertical.end(tap);
    for (int64_t row = std::max<int64_t>(first, 1); row < end; ++row) to[row * width] += 1;
    first_row_taps += first == 0 && end > 0;
  }
  for (int64_t tap = 0; tap < horizontal.taps; ++tap) {
    const int64_t end = horizontal.end(tap);
    for (int64_t column = horizontal.first(tap); column < end; ++column)
      to[column] += static_cast<float>(group_channels);
  }
  for (int64_t row = vertical.outputs - 1; row >= 0; --row) {
    const float row_taps = row == 0 ? first_row_taps : to[row * width];
    for (int64_t column = 0; column < width; ++column) to[row * width + column] = to[column] * row_taps;
  }
}

XnorConvWeights::XnorConvWeights(const ConvWeights& w) {
  const int64_t group_outputs = w.out_channels / w.group;
  const int64_t kernel = w.kernel_height * w.kernel_width;
  const int64_t row_bytes = (w.group_channels * kernel + 7) / 8;
  taps_ = divide_up(w.group_channels, kQuad) * kernel;
  padded_outputs_ = divide_up(group_outputs, kBlockOutputs) * kBlockOutputs;
  // A whole superblock may be read where a part is left.
  bytes_.resize(static_cast<size_t>(w.group * taps_ * padded_outputs_ / 2 + kSuperblockOutputs / 2));
  for (int64_t o = 0; o < w.out_channels; ++o) {
    const int64_t output = o % group_outputs;
    const int64_t block = output / kBlockOutputs * kBlockOutputs;
    uint8_t* to = bytes_.data() + (at(o / group_outputs, block) - bytes_.data()) + (output - block) / 2;
    const uint8_t* row = w.packed + o * row_bytes;
    int64_t k = 0;
    for (int64_t channel = 0; channel < w.group_channels; ++channel) {
      const int64_t shift = channel % kQuad + output % 2 * 4;
      for (int64_t tap = 0; tap < kernel; ++tap, ++k) {
        const int bit = (row[k / 8] >> (k % 8)) & 1;
        to[(channel / kQuad * kernel + tap) * tap_bytes(block)] |= static_cast<uint8_t>(bit << shift);
      }
    }
  }
}

XnorConvWeights::~XnorConvWeights() = default;

const uint8_t* XnorConvWeights::at(int64_t group, int64_t output) const {
  const int64_t superblock = output / kSuperblockOutputs * kSuperblockOutputs;
  return bytes_.data() + (group * padded_outputs_ + superblock) / 2 * taps_ + (output - superblock) / 2;
}

int64_t XnorConvWeights::tap_bytes(int64_t output) const {
  const int64_t superblock = output / kSuperblockOutputs * kSuperblockOutputs;
  return std::min(kSuperblockOutputs, padded_outputs_ - superblock) / 2;
}

namespace {

BundleCode find_code(uint32_t bits) {
  const auto parities = [](uint64_t of, int count) {
    uint64_t found = 0;
    for (int i = 0; i < count; ++i) found |= ((of >> (3 * i) ^ of >> (3 * i + 1) ^ of >> (3 * i + 2)) & 1) << i;
    return found;
  };
  const uint64_t ones = parities(bits, 10) | uint64_t{bits >> 30} << 10;
  const uint64_t twos = parities(ones, 4);
  const uint64_t last = parities(twos, 1) | twos >> 3 << 1;
  const uint64_t threes = (bits & 0x3fffffff) | ones << 30 | (twos & 7) << 42;
  BundleCode code;
  for (int i = 0; i < 15; ++i) code.table[i] = static_cast<uint8_t>((threes >> (3 * i) & 7) << 3);
  code.table[15] = static_cast<uint8_t>(last << 4);
  return code;
}

}  // namespace

XnorBundleCodes::XnorBundleCodes(const ConvWeights& w, bool wanted)
    : tap_bundles_(divide_up(w.group_channels, kBundleWeights)), group_codes_(0) {
  if (!wanted) return;
  const int64_t group_outputs = w.out_channels / w.group;
  const int64_t kernel = w.kernel_height * w.kernel_width;
  const int64_t row_bytes = (w.group_channels * kernel + 7) / 8;
  group_codes_ = divide_up(kernel * tap_bundles_, kChunkBundles) * kChunkBundles * group_outputs;
  codes_.resize(static_cast<size_t>(w.group * group_codes_));
  for (int64_t o = 0; o < w.out_channels; ++o) {
    const uint8_t* row = w.packed + o * row_bytes;
    BundleCode* to = codes_.data() + o / group_outputs * group_codes_ + o % group_outputs * kChunkBundles;
    for (int64_t bundle = 0; bundle < kernel * tap_bundles_; ++bundle) {
      const int64_t first = bundle % tap_bundles_ * kBundleWeights;
      uint32_t bits = 0;
      for (int64_t i = 0; i < std::min(kBundleWeights, w.group_channels - first); ++i) {
        const int64_t k = (first + i) * kernel + bundle / tap_bundles_;
        bits |= uint32_t{(row[k / 8] >> (k % 8)) & 1u} << i;
      }
      to[bundle / kChunkBundles * kChunkBundles * group_outputs + bundle % kChunkBundles] = find_code(bits);
    }
  }
}

XnorBundleCodes::~XnorBundleCodes() = default;

namespace {

/// Whether some pixel meets positions under both taps.
bool share_pixels(const ConvWeights& w, const KernelTap& a, const KernelTap& b) {
  return (a.row - b.row) * w.dilation_height % w.stride_height == 0 &&
         (a.column - b.column) * w.dilation_width % w.stride_width == 0;
}

/// Puts taps that share pixels together: the ends of a row first. Their positions are then near each other, so that few
/// pixels at the ends of a tile serve one alone, and not next to each other, so that no sum waits for the one before.
std::vector<TapGroup> group_taps(const ConvWeights& w, int together) {
  std::vector<KernelTap> taps;
  for (int64_t row = 0; row < w.kernel_height; ++row) {
    for (int64_t column = 0; column < w.kernel_width; ++column) taps.push_back({row, column});
  }
  std::vector<TapGroup> groups;
  const auto group = [&](bool one_row) {
    for (size_t i = 0; i < taps.size();) {
      size_t other = together > 1 ? taps.size() - 1 : i;
      while (other > i && !(share_pixels(w, taps[i], taps[other]) && (!one_row || taps[other].row == taps[i].row))) {
        --other;
      }
      if (other == i) {
        ++i;
        continue;
      }
      groups.push_back({{taps[i], taps[other]}, 2});
      taps.erase(taps.begin() + static_cast<std::ptrdiff_t>(other));
      taps.erase(taps.begin() + static_cast<std::ptrdiff_t>(i));
    }
  };
  group(true);
  group(false);
  for (const KernelTap& tap : taps) groups.push_back({{tap, tap}, 1});
  return groups;
}

}  // namespace

XnorChannelPlanes::XnorChannelPlanes(const ConvWeights& w, int64_t channels, int together)
    : channels_(channels),
      row_bytes_(channels * together / 8),
      panels_(divide_up(w.out_channels / w.group, channels)),
      bundles_(divide_up(w.group_channels, kBundleWeights)),
      tap_groups_(group_taps(w, together)) {
  const int64_t group_outputs = w.out_channels / w.group;
  const int64_t kernel = w.kernel_height * w.kernel_width;
  const int64_t packed_row_bytes = (w.group_channels * kernel + 7) / 8;
  bytes_.resize(
      static_cast<size_t>(w.group * panels_ * tap_groups() * bundles_ * kBundleWeights * row_bytes_ + kCacheLine));
  start_ = divide_up(reinterpret_cast<intptr_t>(bytes_.data()), kCacheLine) * kCacheLine -
           reinterpret_cast<intptr_t>(bytes_.data());
  for (int64_t o = 0; o < w.out_channels; ++o) {
    const int64_t output = o % group_outputs;
    const uint8_t* row = w.packed + o * packed_row_bytes;
    for (int64_t i = 0; i < tap_groups(); ++i) {
      for (int tap = 0; tap < tap_group(i).taps; ++tap) {
        const int64_t lane = tap * channels_ + output % channels_;
        uint8_t* to = bytes_.data() + (at(o / group_outputs, output / channels_, i, 0) - bytes_.data()) + lane / 8;
        int64_t k = tap_group(i).tap[tap].row * w.kernel_width + tap_group(i).tap[tap].column;
        for (int64_t channel = 0; channel < w.group_channels; ++channel, k += kernel) {
          const int bit = (row[k / 8] >> (k % 8)) & 1;
          to[channel * row_bytes_] |= static_cast<uint8_t>(bit << (lane % 8));
        }
      }
    }
  }
}

XnorChannelPlanes::~XnorChannelPlanes() = default;

const uint8_t* XnorChannelPlanes::at(int64_t group, int64_t panel, int64_t tap_group, int64_t bundle) const {
  const int64_t bundles = ((group * panels_ + panel) * tap_groups() + tap_group) * bundles_ + bundle;
  return bytes_.data() + start_ + bundles * kBundleWeights * row_bytes_;
}

}  // namespace edgenet
