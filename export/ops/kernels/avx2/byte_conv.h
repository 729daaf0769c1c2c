// Convolutions with binary weights by look-up of bytes: fixed-point numbers of three planes, or four where three are
// too rough for an image, or floats where those are; 8-bit activations have sums of two planes.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>

#include "kernels/avx2/byte_fields.h"
#include "kernels/avx2/byte_sums.h"
#include "kernels/avx2/field_bounds.h"
#include "kernels/avx2/simd.h"
#include "kernels/x86/int8_256.h"
#include "kernels/x86/int8_scale.h"
#include "kernels/x86/slab_conv.h"

namespace edgenet::avx2 {
namespace {  // internal linkage: no copy of these may serve a CPU without AVX2

/// What a call knows of its units: what activations are multiplied by, and what the integer 1 of their sums is.
struct ByteUnits {
  const float *factors, *steps;
};

/// What tables of bytes and of floats share.
class ByteTables {
 public:
  using Shape = ByteIndices::Shape;
  static constexpr int64_t kBlock = ByteIndices::kBlock;
  static constexpr int64_t kFirst = ByteIndices::kFirst;
  static constexpr int kTilePixels = 2;
  static constexpr int64_t kBlockPixels = 64;

  /// The L2 cache of Zen 3; half of it where no row is met twice. Some 10 microseconds a task, at least.
  static x86::SlabSize slab_size(const ConvWeights& w) {
    return {(w.kernel_height == 1 ? 256 : 512) * 1024, int64_t{1} << 20};
  }

  explicit ByteTables(const ConvWeights& w) : shape_(w), indices_(w, shape_) {}

  const Shape& shape() const { return shape_; }
  int64_t blocks() const { return indices_.blocks(); }
  int64_t block_outputs(int64_t block) const { return indices_.block_outputs(block); }

 protected:
  template <class Cut>
  static void fill_plane_zeros(int64_t plane_floats, int64_t column_floats, int64_t begin, int64_t end, float* tables) {
    for (int64_t plane = 0; plane < Cut::kPlanes; ++plane) {
      std::memset(tables + plane * plane_floats + begin * column_floats, plane == 0 ? Cut::kZero : 0,
                  static_cast<size_t>((end - begin) * column_floats) * sizeof(float));
    }
  }

  template <class Cut>
  void make_planes(const x86::ConvAxis& axis, float factor, const float* line, int64_t area, float* tables) const {
    const int64_t column_bytes = shape_.fields * ByteFields<Cut>::kBytes;
    const int64_t plane_bytes = axis.tables() * column_bytes;
    const int64_t begin = axis.first_inside(), end = axis.end_inside();
    // Two vectors of columns side by side, which share cache lines of x.
    for (int64_t pair = begin; pair < end; pair += 2 * Simd::kLanes) {
      for (int64_t field = 0; field < shape_.fields; ++field) {
        const int64_t exist = shape_.weights.group_channels - field * kFieldChannels;
        const float* from = line + field * kFieldChannels * area;
        for (int64_t c = 0; c < smaller(kFieldChannels, exist); ++c) {
          __builtin_prefetch(from + c * area + axis.input(pair) +
                             2 * Simd::kLanes);  // too many streams for the hardware
        }
        auto* to = reinterpret_cast<uint8_t*>(tables) + field * ByteFields<Cut>::kBytes;
        for (int64_t column = pair; column < smaller(end, pair + 2 * Simd::kLanes); column += Simd::kLanes) {
          const ByteFieldInput input(from + axis.input(column), area, exist, axis.step, end - column, factor);
          ByteFields<Cut>::make(input, end - column, plane_bytes, column_bytes, to + column * column_bytes);
        }
      }
    }
  }

  Shape shape_;
  ByteIndices indices_;
};

/// Tables of as many planes as an image needs.
class ExactTables : public ByteTables {
 public:
  struct Form {
    int64_t planes;  ///< 3, 4, or 0 for floats
    int64_t fields;
    ByteUnits units;

    int64_t column_floats() const { return fields * (planes == 0 ? FloatSums::kEntries : kPlaneFloats); }
    int64_t position_floats() const { return column_floats() * (planes == 0 ? 1 : planes); }
    Simd::Float finish(Simd::Float sum, int64_t unit, Simd::Float scale, Simd::Float bias) const {
      if (planes != 0) sum = Simd::multiply(sum, Simd::set(units.steps[unit]));
      return Simd::multiply_add(sum, scale, bias);
    }
  };

  using ByteTables::ByteTables;

  /// Columns [begin, end) of a row of tables become those of padding.
  static void fill_zeros(const Form& form, const x86::ConvAxis& axis, int64_t begin, int64_t end, float* tables) {
    const int64_t column = form.column_floats(), plane = axis.tables() * column;
    if (form.planes == 3) {
      fill_plane_zeros<ThreePlanes>(plane, column, begin, end, tables);
    } else if (form.planes == 4) {
      fill_plane_zeros<FourPlanes>(plane, column, begin, end, tables);
    } else {
      std::memset(tables + begin * column, 0, static_cast<size_t>((end - begin) * column) * sizeof(float));
    }
  }

  void make_row(const Form& form, const x86::ConvAxis& axis, int64_t unit, const float* line, int64_t area,
                float* tables) const {
    fill_zeros(form, axis, 0, axis.first_inside(), tables);
    fill_zeros(form, axis, axis.end_inside(), axis.tables(), tables);
    if (form.planes == 3) {
      make_planes<ThreePlanes>(axis, form.units.factors[unit], line, area, tables);
    } else if (form.planes == 4) {
      make_planes<FourPlanes>(axis, form.units.factors[unit], line, area, tables);
    } else {
      make_floats(axis, line, area, tables);
    }
  }

  void add(const Form& form, int64_t columns, int64_t group, int64_t block, const FieldRange& range, int pixels,
           const TablePointers& tables, float* sums) const {
    const int64_t plane_floats = columns * form.column_floats();
    if (form.planes == 3) {
      ByteSums<ThreePlanes>::add(indices_, group, block, range, pixels, tables, plane_floats, sums);
    } else if (form.planes == 4) {
      ByteSums<FourPlanes>::add(indices_, group, block, range, pixels, tables, plane_floats, sums);
    } else {
      FloatSums::add(indices_, group, block, range, pixels, tables, sums);
    }
  }

 private:
  void make_floats(const x86::ConvAxis& axis, const float* line, int64_t area, float* tables) const {
    for (int64_t column = axis.first_inside(); column < axis.end_inside(); ++column) {
      const float* position = line + axis.input(column);
      for (int64_t field = 0; field < shape_.fields; ++field) {
        float x[kFieldChannels] = {};
        for (int64_t i = 0; i < smaller(kFieldChannels, shape_.weights.group_channels - field * kFieldChannels); ++i) {
          x[i] = position[(field * kFieldChannels + i) * area];
        }
        FloatSums::make_table(x, tables + (column * shape_.fields + field) * FloatSums::kEntries);
      }
    }
  }
};

class Int8Tables : public ByteTables {
 public:
  struct Form {
    int64_t fields;
    bool relu;
    ByteUnits units;

    int64_t column_floats() const { return fields * kPlaneFloats; }
    int64_t position_floats() const { return column_floats() * Int8Planes::kPlanes; }
    Simd::Float finish(Simd::Float sum, int64_t unit, Simd::Float scale, Simd::Float bias) const {
      const Simd::Float factor = Simd::multiply(scale, Simd::set(units.steps[unit]));
      const Simd::Float value = Simd::add(Simd::multiply(factor, sum), bias);
      return relu ? Simd::maximum(Simd::set(0), value) : value;
    }
  };

  using ByteTables::ByteTables;

  static void fill_zeros(const Form& form, const x86::ConvAxis& axis, int64_t begin, int64_t end, float* tables) {
    fill_plane_zeros<Int8Planes>(axis.tables() * form.column_floats(), form.column_floats(), begin, end, tables);
  }

  void make_row(const Form& form, const x86::ConvAxis& axis, int64_t unit, const float* line, int64_t area,
                float* tables) const {
    fill_zeros(form, axis, 0, axis.first_inside(), tables);
    fill_zeros(form, axis, axis.end_inside(), axis.tables(), tables);
    make_planes<Int8Planes>(axis, form.units.factors[unit], line, area, tables);
  }

  void add(const Form& form, int64_t columns, int64_t group, int64_t block, const FieldRange& range, int pixels,
           const TablePointers& tables, float* sums) const {
    ByteSums<Int8Planes>::add(indices_, group, block, range, pixels, tables, columns * form.column_floats(), sums);
  }
};

/// Part of a batch, as a convolution of its own.
struct Images {
  Images(const Image& image, const ConvOperands& operands, int64_t out_channels, int64_t begin, int64_t end,
         void* scratch)
      : part(image), of(operands) {
    part.batch = end - begin;
    of.x += begin * image.channels * image.height * image.width;
    of.y += begin * out_channels * image.out_height * image.out_width;
    of.scratch = scratch;
  }

  Image part;
  ConvOperands of;
};

class ByteBwnConv2d final : public ConvKernel {
  using Form = ExactTables::Form;

 public:
  explicit ByteBwnConv2d(const ConvWeights& w) : w_(w), conv_(w) {}

  size_t scratch_bytes(const Image& image) const override {
    size_t most = static_cast<size_t>(workers(image) * FieldBounds::floats(image)) * sizeof(float);
    for (const int64_t planes : {3, 4, 0}) {
      const size_t bytes = conv_.scratch_bytes(image, form(planes, {}));
      most = bytes > most ? bytes : most;
    }
    return static_cast<size_t>(header_floats(image)) * sizeof(float) + most;
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const int64_t units = image.batch * w_.group;
    auto* factors = static_cast<float*>(operands.scratch);
    float* steps = factors + units;
    auto* planes = reinterpret_cast<int32_t*>(steps + units);
    float* scratch = factors + header_floats(image);
    measure(image, operands, executor, planes, factors, scratch);
    for (int64_t begin = 0, end; begin < image.batch; begin = end) {
      const int32_t needed = needed_planes(planes, begin);
      for (end = begin + 1; end < image.batch && needed_planes(planes, end) == needed;) ++end;
      for (int64_t unit = begin * w_.group; unit < end * w_.group; ++unit) steps[unit] = step(needed, factors[unit]);
      const ByteUnits of{factors + begin * w_.group, steps + begin * w_.group};
      const Images images(image, operands, w_.out_channels, begin, end, scratch);
      conv_.run(images.part, images.of, executor, form(needed, of));
    }
  }

 private:
  static constexpr int64_t kMaxWorkers = 8;
  static constexpr float kLargestField = 63.4f * (1 << 24);

  Form form(int64_t planes, const ByteUnits& units) const { return {planes, conv_.fields().shape().fields, units}; }
  int64_t header_floats(const Image& image) const { return round_up(3 * image.batch * w_.group, 16); }
  int64_t workers(const Image& image) const { return smaller(kMaxWorkers, image.batch * w_.group); }

  static float step(int32_t planes, float factor) {
    return static_cast<float>(1 << (planes == 3 ? ThreePlanes::kShift : FourPlanes::kShift)) / factor;
  }

  /// Finds how many planes every unit needs, 5 for floats, and what its activations are multiplied by.
  void measure(const Image& image, const ConvOperands& operands, const Executor& executor, int32_t* planes,
               float* factors, float* memory) const {
    const int64_t units = image.batch * w_.group;
    std::atomic<int64_t> next{0};
    parallel_for(executor, workers(image), [&](int64_t worker) {
      FieldBounds bounds(w_, image, memory + worker * FieldBounds::floats(image));
      for (int64_t unit = next++; unit < units; unit = next++) {
        bounds.measure(operands.x + unit * w_.group_channels * image.height * image.width);
        factors[unit] = kLargestField / (bounds.largest() > 0 ? bounds.largest() : 1);
        planes[unit] = planes_of(bounds, 1 / factors[unit]);
      }
    });
  }

  /// Entries are off by half a step and what rounding of 4 activations makes.
  static int32_t planes_of(const FieldBounds& bounds, float unit) {
    if (!bounds.fixed_point()) return kFloats;
    if (bounds.hold(unit * ((1 << (ThreePlanes::kShift - 1)) + 3))) return 3;
    return bounds.hold(unit * ((1 << (FourPlanes::kShift - 1)) + 3)) ? 4 : kFloats;
  }

  /// 3, 4, or 0 for floats: what the neediest of an image's units takes.
  int32_t needed_planes(const int32_t* planes, int64_t n) const {
    int32_t most = 3;
    for (int64_t group = 0; group < w_.group; ++group) {
      most = planes[n * w_.group + group] > most ? planes[n * w_.group + group] : most;
    }
    return most == kFloats ? 0 : most;
  }
  static constexpr int32_t kFloats = 5;

  ConvWeights w_;
  x86::SlabConv<Simd, ExactTables> conv_;
};

class ByteBwnInt8Conv2d final : public ConvKernel {
  using Isa = x86::Int8Simd256<x86::BinaryProducts>;

 public:
  explicit ByteBwnInt8Conv2d(const ConvWeights& w) : w_(w), conv_(w) {}

  size_t scratch_bytes(const Image& image) const override {
    return static_cast<size_t>(header_floats(image)) * sizeof(float) + conv_.scratch_bytes(image, form({}));
  }

  void run(const Image& image, const ConvOperands& operands, const Executor& executor) const override {
    const int64_t size = image.channels * image.height * image.width;
    auto* factors = static_cast<float*>(operands.scratch);
    float* steps = factors + image.batch * w_.group;
    for (int64_t n = 0; n < image.batch; ++n) {
      const float most =
          x86::largest_magnitude<Isa>(operands.x + n * size, size, factors + units_floats(image), executor);
      for (int64_t unit = n * w_.group; unit < (n + 1) * w_.group; ++unit) {
        factors[unit] = 127 / most;
        steps[unit] = most / 127;
      }
    }
    const Images images(image, operands, w_.out_channels, 0, image.batch, factors + header_floats(image));
    conv_.run(image, images.of, executor, form({factors, steps}));
  }

 private:
  Int8Tables::Form form(const ByteUnits& units) const { return {conv_.fields().shape().fields, w_.form.relu, units}; }
  int64_t units_floats(const Image& image) const { return round_up(2 * image.batch * w_.group, 16); }
  int64_t header_floats(const Image& image) const { return units_floats(image) + x86::kScaleChunks; }

  ConvWeights w_;
  x86::SlabConv<Simd, Int8Tables> conv_;
};

}  // namespace
}  // namespace edgenet::avx2
