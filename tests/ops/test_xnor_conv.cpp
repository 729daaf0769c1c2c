// XNOR convolutions in all their forms, every kernel set against the scalar one, and that one against the specification
// written out output by output.
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

struct Case {
  ConvWeights weights;
  Image image;
  std::vector<uint8_t> packed, signs;
  std::vector<float> x, threshold, scale, bias, residual, slope, next_threshold;

  int64_t outputs() const { return image.out_height * image.out_width; }
  int64_t values() const { return image.batch * weights.out_channels * outputs(); }
  int64_t sign_bytes() const { return image.batch * ((weights.out_channels + 7) / 8) * outputs(); }

  std::string text() const {
    const ConvWeights& w = weights;
    std::ostringstream out;
    out << "x " << image.batch << "x" << image.channels << "x" << image.height << "x" << image.width << ", weight "
        << w.out_channels << "x" << w.group_channels << "x" << w.kernel_height << "x" << w.kernel_width << ", group "
        << w.group << ", stride " << w.stride_height << "," << w.stride_width << ", pads " << w.pad_top << ","
        << w.pad_left << "," << w.pad_bottom << "," << w.pad_right << ", dilation " << w.dilation_height << ","
        << w.dilation_width << (w.form.from_signs ? ", FromSigns" : "") << (w.form.add ? ", Add" : "")
        << (w.form.prelu ? ", Prelu" : "") << (w.form.to_signs ? ", ToSigns" : "");
    return out.str();
  }
};

int64_t output_size(int64_t size, int64_t pads, int64_t kernel, int64_t dilation, int64_t stride) {
  const int64_t room = size + pads - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

ConvForm form_of(int64_t number) {
  ConvForm form;
  form.from_signs = number & 1;
  form.add = number & 2;
  form.prelu = number & 4;
  form.to_signs = number & 8;
  return form;
}

/// Gives a case its sizes and values; false if it has no output. Spare bits of the signs that come in are set at
/// random.
bool fill(Case& test, Random& random, bool awkward) {
  const ConvWeights& w = test.weights;
  Image& image = test.image;
  image.channels = w.group_channels * w.group;
  image.out_height =
      output_size(image.height, w.pad_top + w.pad_bottom, w.kernel_height, w.dilation_height, w.stride_height);
  image.out_width =
      output_size(image.width, w.pad_left + w.pad_right, w.kernel_width, w.dilation_width, w.stride_width);
  if (image.out_height < 1 || image.out_width < 1) return false;
  const auto floats = [&](int64_t count, int64_t rarity) {
    return awkward ? random.awkward_floats(count, rarity) : random.floats(count);
  };
  const int64_t area = image.batch * image.height * image.width;
  test.x = floats(area * image.channels, 50);
  test.threshold = floats(image.channels, 4);
  test.signs = random.packed(1, area * ((image.channels + 7) / 8) * 8);
  test.scale = floats(w.out_channels, 8);
  test.bias = floats(w.out_channels, 8);
  test.residual = floats(test.values(), 50);
  test.slope = floats(w.out_channels, 6);
  test.next_threshold = floats(w.out_channels, 4);
  // Thresholds on a sum itself, where rounding decides.
  for (int64_t o = 0; o < w.out_channels; o += 2) {
    test.next_threshold[o] = test.scale[o] * static_cast<float>(random.between(-20, 20)) + test.bias[o];
  }
  test.packed = random.packed(w.out_channels, w.group_channels * w.kernel_height * w.kernel_width);
  test.weights.packed = test.packed.data();
  return true;
}

struct Result {
  std::vector<float> y;
  std::vector<uint8_t> signs;
  bool intact;
};

Result run(const ConvKernel& kernel, const Case& test, bool threads) {
  const ConvForm& form = test.weights.form;
  GuardedMemory y(static_cast<size_t>(test.values()) * sizeof(float));
  GuardedMemory signs(static_cast<size_t>(test.sign_bytes()));
  GuardedMemory scratch(kernel.scratch_bytes(test.image));
  ConvOperands operands{};
  operands.x = form.from_signs ? nullptr : test.x.data();
  operands.threshold = form.from_signs ? nullptr : test.threshold.data();
  operands.signs = form.from_signs ? test.signs.data() : nullptr;
  operands.scale = test.scale.data();
  operands.bias = test.bias.data();
  operands.residual = form.add ? test.residual.data() : nullptr;
  operands.slope = form.prelu ? test.slope.data() : nullptr;
  operands.next_threshold = form.to_signs ? test.next_threshold.data() : nullptr;
  operands.y = form.to_signs ? nullptr : static_cast<float*>(y.get());
  operands.y_signs = form.to_signs ? static_cast<uint8_t*>(signs.get()) : nullptr;
  operands.scratch = scratch.get();
  kernel.run(test.image, operands, Executor{threads ? run_on_threads : run_in_order, nullptr});
  Result result;
  result.intact = y.intact() && signs.intact() && scratch.intact();
  const auto* values = static_cast<const float*>(y.get());
  const auto* bytes = static_cast<const uint8_t*>(signs.get());
  if (!form.to_signs) result.y.assign(values, values + test.values());
  if (form.to_signs) result.signs.assign(bytes, bytes + test.sign_bytes());
  return result;
}

int64_t first_difference(const Result& found, const Result& expected) {
  for (size_t i = 0; i < expected.signs.size(); ++i) {
    if (found.signs[i] != expected.signs[i]) return static_cast<int64_t>(i);
  }
  return test::first_difference(found.y.data(), expected.y.data(), nullptr, static_cast<int64_t>(expected.y.size()));
}

void compare(const std::string& name, const Result& found, const Result& expected, const Case& test, Report& report) {
  const int64_t at = first_difference(found, expected);
  report.expect(at < 0, name, ": ", test.text(), ": output ", at, " differs");
  report.expect(found.intact, name, ": ", test.text(), ": wrote outside its memory");
}

/// One output of the specification.
class Reference {
 public:
  explicit Reference(const Case& test) : t_(test), w_(test.weights) {}

  Result all() const {
    Result result{std::vector<float>(t_.values()), std::vector<uint8_t>(t_.sign_bytes()), true};
    for (int64_t n = 0; n < t_.image.batch; ++n) {
      for (int64_t o = 0; o < w_.out_channels; ++o) {
        for (int64_t i = 0; i < t_.outputs(); ++i) {
          const int64_t at = (n * w_.out_channels + o) * t_.outputs() + i;
          result.y[at] = value(n, o, i, at);
          const bool bit = result.y[at] >= t_.next_threshold[o];
          const int64_t octets = (w_.out_channels + 7) / 8;
          result.signs[(n * octets + o / 8) * t_.outputs() + i] |= static_cast<uint8_t>(bit << o % 8);
        }
      }
    }
    if (w_.form.to_signs) {
      result.y.clear();
    } else {
      result.signs.clear();
    }
    return result;
  }

 private:
  float value(int64_t n, int64_t o, int64_t i, int64_t at) const {
    const float product = t_.scale[o] * static_cast<float>(dot(n, o, i / t_.image.out_width, i % t_.image.out_width));
    float v = product + t_.bias[o];
    if (w_.form.add) v = v + t_.residual[at];
    if (w_.form.prelu && !(v >= 0)) v = t_.slope[o] * v;
    return v;
  }

  int64_t dot(int64_t n, int64_t o, int64_t row, int64_t column) const {
    const int64_t first = o / (w_.out_channels / w_.group) * w_.group_channels;
    const int64_t row_bytes = (w_.group_channels * w_.kernel_height * w_.kernel_width + 7) / 8;
    int64_t sum = 0, k = 0;
    for (int64_t c = 0; c < w_.group_channels; ++c) {
      for (int64_t i = 0; i < w_.kernel_height; ++i) {
        for (int64_t j = 0; j < w_.kernel_width; ++j, ++k) {
          const int64_t y = row * w_.stride_height - w_.pad_top + i * w_.dilation_height;
          const int64_t x = column * w_.stride_width - w_.pad_left + j * w_.dilation_width;
          if (y < 0 || x < 0 || y >= t_.image.height || x >= t_.image.width) continue;
          const bool weight = test_bit(&w_.packed[o * row_bytes], k);
          sum += sign(n, first + c, y * t_.image.width + x) == weight ? 1 : -1;
        }
      }
    }
    return sum;
  }

  bool sign(int64_t n, int64_t c, int64_t pixel) const {
    const int64_t area = t_.image.height * t_.image.width;
    if (!w_.form.from_signs) return t_.x[(n * t_.image.channels + c) * area + pixel] >= t_.threshold[c];
    const int64_t planes = (t_.image.channels + 7) / 8;
    return t_.signs[(n * planes + c / 8) * area + pixel] >> c % 8 & 1;
  }

  static bool test_bit(const uint8_t* bytes, int64_t k) { return bytes[k / 8] >> k % 8 & 1; }

  const Case& t_;
  const ConvWeights& w_;
};

void check_wide(const Case& test, const Result& expected, bool threads, Report& report) {
  for (const KernelSet* set : runnable_kernels()) {
    if (set->name == std::string("scalar")) continue;
    compare(set->name, run(*set->xnor_conv2d(test.weights), test, threads), expected, test, report);
  }
}

void check(Case& test, Random& random, Report& report) {
  if (left_out(random)) return;
  test.weights.form = form_of(random.between(0, 15));
  if (!fill(test, random, random.chance(0.5))) return;
  check_wide(test, run(*scalar_kernels.xnor_conv2d(test.weights), test, false), random.chance(0.3), report);
}

void check_scalar(Case& test, int64_t form, Random& random, Report& report) {
  if (left_out(random)) return;
  test.weights.form = form_of(form);
  if (!fill(test, random, random.chance(0.5))) return;
  compare("scalar", run(*scalar_kernels.xnor_conv2d(test.weights), test, random.chance(0.3)), Reference(test).all(),
          test, report);
}

Case random_case(Random& random) {
  Case test{};
  ConvWeights& w = test.weights;
  const bool square = random.chance(0.6);
  w.group = random.pick<int64_t>({1, 1, 1, 2, 3});
  w.group_channels = random.pick<int64_t>({1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 33, 64, 65, 100});
  w.out_channels = w.group * random.pick<int64_t>({1, 2, 3, 4, 7, 8, 9, 16, 17, 24, 65});
  w.kernel_height = random.pick<int64_t>({1, 2, 3, 3, 3, 5, 7});
  w.kernel_width = square ? w.kernel_height : random.pick<int64_t>({1, 2, 3, 4, 5});
  w.stride_height = random.pick<int64_t>({1, 1, 2, 2, 3});
  w.stride_width = square ? w.stride_height : random.between(1, 4);
  w.dilation_height = random.pick<int64_t>({1, 1, 1, 2, 3});
  w.dilation_width = square ? w.dilation_height : random.between(1, 3);
  w.pad_top = random.between(0, 3);
  w.pad_left = square ? w.pad_top : random.between(0, 3);
  w.pad_bottom = square ? w.pad_top : random.between(0, 4);
  w.pad_right = square ? w.pad_top : random.between(0, 4);
  test.image.batch = random.pick<int64_t>({1, 1, 2, 3, 9});
  test.image.height = random.pick<int64_t>({1, 2, 3, 4, 7, 8, 9, 13, 17});
  test.image.width = square ? test.image.height : random.pick<int64_t>({1, 2, 5, 8, 15, 16, 17, 31, 33, 64, 67});
  return test;
}

/// ResNet-18's convolutions, at the image sizes of a 224, a 64 and a 32 pixel input, in few channels and in all.
std::vector<Case> resnet_cases() {
  std::vector<Case> cases;
  for (const int64_t size : {56, 28, 14, 7, 16, 8, 4, 2, 1}) {
    for (const int64_t channels : {8, 64}) {
      for (const int64_t stride : {1, 2}) {
        for (const int64_t kernel : {1, 3}) {
          Case test{};
          const int64_t pad = kernel / 2;
          test.weights = {16, channels, kernel, kernel, 1, stride, stride, pad, pad, pad, pad, 1, 1, nullptr};
          test.image = {size < 8 ? 5 : 1, channels, size, size, 0, 0};
          cases.push_back(test);
        }
      }
    }
  }
  return cases;
}

/// Images that are packed in several pieces (of many rows, and of rows longer than a piece), and work for threads.
std::vector<Case> large_cases() {
  std::vector<Case> cases;
  for (const int64_t stride : {1, 2, 3}) {
    for (const int64_t height : {3, 90}) {
      Case test{};
      test.weights = {3, 5, 3, 3, 1, stride, stride, 1, 2, 1, 0, 1, 2, nullptr};
      test.image = {2, 5, height, height == 3 ? 9001 : 83, 0, 0};
      cases.push_back(test);
    }
  }
  for (const int64_t size : {28, 8}) {
    Case test{};
    test.weights = {128, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, nullptr};
    test.image = {size == 8 ? 9 : 1, 64, size, size, 0, 0};
    cases.push_back(test);
  }
  return cases;
}

/// Images of many positions and layers of many outputs, which wide sets convolve in slices of 512 and 256 positions.
Case random_slice_case(Random& random) {
  Case test = random_case(random);
  ConvWeights& w = test.weights;
  w.group_channels = random.pick<int64_t>({8, 10, 22, 31, 64, 65, 100});
  w.out_channels = w.group * random.pick<int64_t>({24, 25, 31, 64, 72});
  w.kernel_height = w.kernel_width = random.pick<int64_t>({1, 2, 3, 3, 3, 5});
  w.stride_height = w.stride_width = random.pick<int64_t>({1, 1, 1, 2});
  test.image.batch = random.pick<int64_t>({1, 1, 2});
  test.image.height = random.between(8, 40);
  test.image.width = random.between(10, 40);
  return test;
}

/// Layers of many outputs, which wide sets convolve in slices of 256 output channels.
Case random_channel_slice_case(Random& random) {
  Case test = random_case(random);
  ConvWeights& w = test.weights;
  w.group = random.pick<int64_t>({1, 1, 1, 2});
  w.group_channels = random.pick<int64_t>({1, 64, 65, 72, 96, 127, 128, 129, 160, 200, 256});
  w.out_channels = w.group * random.pick<int64_t>({256, 256, 512, 255, 192, 300});
  w.kernel_height = w.kernel_width = random.pick<int64_t>({1, 2, 3, 3});
  w.likely_rows = random.pick<int64_t>({1, 7, 28});
  w.likely_columns = random.pick<int64_t>({1, 7, 28});
  test.image.batch = random.pick<int64_t>({1, 1, 2});
  test.image.height = random.between(1, 17);
  test.image.width = random.between(1, 17);
  return test;
}

/// Layers whose rows stay as long as they are, which wide sets convolve in slices of 512, 256 and 128 positions, on
/// images that need not be of the size that was likely.
Case random_flat_case(Random& random) {
  Case test = random_case(random);
  ConvWeights& w = test.weights;
  w.group = random.pick<int64_t>({1, 1, 1, 2});
  w.group_channels =
      w.group == 1 ? random.pick<int64_t>({20, 30, 32, 64, 90, 128, 160}) : random.pick<int64_t>({24, 64});
  w.out_channels = w.group * random.pick<int64_t>({24, 25, 31, 64, 136});
  w.kernel_height = w.kernel_width = random.pick<int64_t>({1, 2, 3, 3, 3, 5});
  w.stride_height = w.stride_width = 1;
  w.pad_left = random.between(0, w.dilation_width * (w.kernel_width - 1));
  w.pad_right = w.dilation_width * (w.kernel_width - 1) - w.pad_left;
  w.likely_rows = random.pick<int64_t>({16, 28, 56});
  w.likely_columns = 28;
  test.image.batch = random.pick<int64_t>({1, 1, 2});
  test.image.height = random.between(1, 40);
  test.image.width = random.between(1, 40);
  if (random.chance(0.5)) {
    // A slice of 512 positions and a few more, from 1 to 128.
    test.image.width = random.pick<int64_t>({16, 19, 25});
    test.image.height = 512 / test.image.width + 1 + random.between(0, test.image.width == 16 ? 7 : 4);
    w.pad_top = random.between(0, w.dilation_height * (w.kernel_height - 1));
    w.pad_bottom = w.dilation_height * (w.kernel_height - 1) - w.pad_top;
  }
  return test;
}

/// Layers that wide sets convolve 32 channels at a time, on images that need not be of the size that was likely.
Case random_word_case(Random& random) {
  Case test = random_case(random);
  ConvWeights& w = test.weights;
  w.group = random.pick<int64_t>({1, 1, 2, 3});
  w.group_channels =
      w.group == 1 ? random.pick<int64_t>({20, 30, 32, 54, 64, 94, 128}) : random.pick<int64_t>({32, 64});
  w.out_channels = w.group * random.pick<int64_t>({5, 8, 13, 16, 20, 32, 40, 56, 64, 72, 88, 130});
  const bool known = random.chance(0.7);
  w.likely_rows = known ? random.pick<int64_t>({1, 3, 7, 14, 28}) : 0;
  w.likely_columns = known ? random.pick<int64_t>({1, 3, 7, 14, 28}) : 0;
  test.image.height = random.pick<int64_t>({1, 2, 5, 7, 8, 14, 17, 40});
  test.image.width = random.pick<int64_t>({1, 2, 5, 7, 8, 14, 17, 150});
  return test;
}

/// Layers that sets without wide registers convolve by tables in memory, of any stride, on images that need not be of
/// the size that was likely.
Case random_sum_case(Random& random) {
  Case test = random_case(random);
  ConvWeights& w = test.weights;
  w.group_channels = random.pick<int64_t>({18, 19, 20, 35, 64, 73, 90, 130, 270});
  w.out_channels = w.group * random.pick<int64_t>({24, 31, 40, 96, 104, 130, 300});
  if (random.chance(0.6)) w.kernel_height = w.kernel_width = random.pick<int64_t>({1, 3, 3});
  if (random.chance(0.5)) w.stride_height = w.stride_width = 1;
  w.dilation_width = random.pick<int64_t>({1, 1, 1, 2, 5, 8, 9});
  w.likely_rows = random.pick<int64_t>({7, 14, 28});
  w.likely_columns = random.pick<int64_t>({7, 14, 28});
  test.image.batch = random.pick<int64_t>({1, 1, 2});
  test.image.height = random.between(1, 30);
  test.image.width = random.pick<int64_t>({1, 4, 7, 8, 14, 15, 28, 31, 33, 56, 64, 67, 130});
  return test;
}

/// More weights an output than 16 bits can count, and sums that reach every one of them.
void check_saturation(Random& random, Report& report) {
  Case test{};
  test.weights = {9, 7400, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, nullptr};
  test.image = {1, 7400, 3, 5, 0, 0};
  for (const float value : {-3.0f, 3.0f}) {
    for (const int64_t channels : {7400, 7281, 512}) {
      if (left_out(random)) continue;
      test.weights.group_channels = test.image.channels = channels;
      test.weights.out_channels = channels == 7281 ? 256 : 9;
      test.weights.likely_rows = 3;
      test.weights.likely_columns = 5;
      fill(test, random, false);
      std::fill(test.packed.begin(), test.packed.end(), 0xff);
      if (channels * 9 % 8 != 0) {
        const size_t rows = static_cast<size_t>(test.weights.out_channels);
        const size_t row_bytes = test.packed.size() / rows;
        for (size_t row = 1; row <= rows; ++row) test.packed[row * row_bytes - 1] = (1 << channels * 9 % 8) - 1;
      }
      std::fill(test.x.begin(), test.x.end(), value);
      check_wide(test, run(*scalar_kernels.xnor_conv2d(test.weights), test, false), true, report);
    }
  }
}

}  // namespace

int main() {
  Random random(20240607);
  Report report;
  for (int64_t i = 0; i < 96; ++i) {
    Case test = random_case(random);
    check_scalar(test, i % 16, random, report);
  }
  for (Case& test : resnet_cases()) check(test, random, report);
  for (Case& test : large_cases()) check(test, random, report);
  for (int i = 0; i < 800; ++i) {
    Case test = random_case(random);
    check(test, random, report);
  }
  for (int i = 0; i < 100; ++i) {
    Case test = random_slice_case(random);
    check(test, random, report);
  }
  for (int i = 0; i < 150; ++i) {
    Case test = random_flat_case(random);
    check(test, random, report);
  }
  for (int i = 0; i < 200; ++i) {
    Case test = random_channel_slice_case(random);
    check(test, random, report);
  }
  for (int i = 0; i < 300; ++i) {
    Case test = random_word_case(random);
    check(test, random, report);
  }
  for (int i = 0; i < 300; ++i) {
    Case test = random_sum_case(random);
    check(test, random, report);
  }
  check_saturation(random, report);
  return report.finish();
}
