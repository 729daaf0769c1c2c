// How the XNOR convolutions by table look-up lay out signs and weights. This part knows no instruction set.
//
// A byte holds the signs of 4 channels (a quad) at one position; kPadding marks a padded position. For every kernel
// column a plane holds the positions that this column meets, output by output, so that the bytes of a tap for all
// outputs of an image are one run of memory. With a vertical stride of 1 the kernel's rows share a plane, a row apart;
// otherwise each has planes of its own. Taps that meet padding only are left out.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace edgenet {

constexpr uint8_t kPadding = 0x80;
constexpr int64_t kQuad = 4;
constexpr int64_t kBlockPairs = 4;                  ///< a weight byte serves a pair of output channels
constexpr int64_t kBlockOutputs = 2 * kBlockPairs;  ///< output channels that are computed together
constexpr int64_t kSuperblockOutputs = 64;          ///< output channels whose weights lie together
constexpr int64_t kPieceBytes = 4096;               ///< positions of a quad that are packed at a time
constexpr int64_t kLayoutSlack = 128;  ///< bytes after each quad that may be read, and written while packing

/// kCountTable[w][i]: in how many bits i differs from the low nibble of w, and 16 times the same for the high nibble.
extern const uint8_t (&count_table)[256][16];

/// The same for two positions, with padding: [a * kCodes + b][i], a in the low nibble. kCodes - 1 is padding.
constexpr int kCodes = 17;
extern const uint8_t (&position_table)[kCodes * kCodes][16];

/// Whether no 16-bit counter can overflow and groups share no byte of the signs that go out.
bool has_tables(const ConvWeights& weights);

/// One spatial axis of a convolution. `position = output * stride + offset(tap)`.
struct XnorAxis {
  int64_t taps, stride, dilation, pad, size, outputs;

  int64_t offset(int64_t tap) const;
  /// The outputs [first, end) of a tap lie inside the image; first >= end: none.
  int64_t first(int64_t tap) const;
  int64_t end(int64_t tap) const;
  bool used(int64_t tap) const;
  int64_t used_taps() const;
};

/// A kernel position of one quad: where its signs lie from those of its unit, and its place among all such positions.
struct XnorTap {
  uint32_t signs, index;
};

/// The positions that a kernel column (and with a vertical stride a kernel row) meets, output by output.
struct XnorPlane {
  int64_t row_offset, row_stride;  ///< row j holds input row j * row_stride + row_offset
  int64_t first_row, end_row;      ///< the rows inside the image
  int64_t column_offset;           ///< column j holds input column j * horizontal stride + column_offset
  int64_t first, end;              ///< the columns inside the image

  /// The first row that holds `input_row` or one below it.
  int64_t first_from(int64_t input_row) const;
};

/// Where everything of one image lies.
struct XnorLayout {
  XnorLayout(const ConvWeights& weights, const Image& image);

  XnorAxis vertical, horizontal;
  bool rows_share_planes;
  int64_t quads, outputs;  ///< outputs: positions of an output plane
  int64_t used_rows, used_columns;
  int64_t first_row;  ///< the input row of a shared plane's first row
  int64_t plane_rows;
  int64_t plane_bytes;             ///< from one plane to the next
  int64_t planes;                  ///< of one quad: [row plane][used column]
  int64_t quad_bytes, unit_bytes;  ///< unit: one group of one image
  int64_t taps;

  void fill_taps(XnorTap* to) const;
  void fill_planes(XnorPlane* to) const;
  /// The number of weights that meet the image, for every output position.
  /// Behind them come `slack` zeros: vectors read beyond the last position, and what they may find there, such as
  /// denormal numbers, can take hundreds of cycles to compute with.
  void fill_valid(int64_t group_channels, int64_t slack, float* to) const;
};

/// A byte for a pair of outputs and a quad, the first output in the low nibble:
/// [group, superblock of 64 outputs, quad, kernel row, kernel column, pair].
class XnorConvWeights {
 public:
  explicit XnorConvWeights(const ConvWeights& weights);
  ~XnorConvWeights();

  /// The bytes from `output` (a multiple of kBlockOutputs) of a group on, for tap 0; tap_bytes() further for the next.
  const uint8_t* at(int64_t group, int64_t output) const;
  int64_t tap_bytes(int64_t output) const;

 private:
  int64_t taps_;
  int64_t padded_outputs_;  ///< of one group, a multiple of kBlockOutputs
  std::vector<uint8_t> bytes_;
};

constexpr int64_t kBundleWeights = 32;  ///< of a tap, that bit slices count together
constexpr int64_t kChunkBundles = 4;    ///< of all taps, whose codes lie together

/// Which of its 8 tables each look-up of a bundle of bits takes, times 8: 30 of the bits in threes, then of every three
/// of them their parity (10) and the other two bits, of every three of those the parity (3), and of the first three of
/// these and of the last of those the parity (2, in place of the upper two of a three).
struct BundleCode {
  uint8_t table[16];
};

/// What each of an output channel's bundles looks up where lanes are positions: [group, chunk of bundles, output,
/// bundle], bundles by tap.
class XnorBundleCodes {
 public:
  /// None, unless `wanted`.
  XnorBundleCodes(const ConvWeights& weights, bool wanted);
  ~XnorBundleCodes();

  bool exist() const { return !codes_.empty(); }
  int64_t tap_bundles() const { return tap_bundles_; }
  /// Of a group; chunk i begins i * kChunkBundles * its outputs further.
  const BundleCode* at(int64_t group) const { return codes_.data() + group * group_codes_; }

 private:
  int64_t tap_bundles_, group_codes_;
  std::vector<BundleCode> codes_;
};

constexpr int kMostGroupTaps = 2;

struct KernelTap {
  int64_t row, column;
};

/// Taps of a kernel whose weights share vectors.
struct TapGroup {
  KernelTap tap[kMostGroupTaps];
  int taps;
};

/// A bit for a weight of each of `channels` output channels (a multiple of 8), for as many taps as are `together`:
/// [group, panel of output channels, taps, channel in whole bundles, tap, output channel]. Taps are together that meet
/// the same pixels, where there are such.
class XnorChannelPlanes {
 public:
  XnorChannelPlanes(const ConvWeights& weights, int64_t channels, int together);
  ~XnorChannelPlanes();

  int64_t bundles() const { return bundles_; }  ///< of a tap
  int64_t tap_groups() const { return static_cast<int64_t>(tap_groups_.size()); }
  const TapGroup& tap_group(int64_t i) const { return tap_groups_[static_cast<size_t>(i)]; }
  const uint8_t* at(int64_t group, int64_t panel, int64_t tap_group, int64_t bundle) const;

 private:
  int64_t channels_, row_bytes_, panels_, bundles_;
  std::vector<TapGroup> tap_groups_;
  std::vector<uint8_t> bytes_;
  int64_t start_;  ///< of the bytes on a cache line
};

}  // namespace edgenet
