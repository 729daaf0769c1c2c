// Convolutions with binary weights: every kernel set against the scalar one, within 1e-5 * sum |w x|.
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

struct Case {
  ConvWeights weights;
  Image image;
  std::vector<uint8_t> packed;
  std::vector<float> x, scale, bias;

  int64_t outputs() const { return image.batch * weights.out_channels * image.out_height * image.out_width; }

  std::string text() const {
    const ConvWeights& w = weights;
    std::ostringstream out;
    out << "x " << image.batch << "x" << image.channels << "x" << image.height << "x" << image.width << ", weight "
        << w.out_channels << "x" << w.group_channels << "x" << w.kernel_height << "x" << w.kernel_width << ", group "
        << w.group << ", stride " << w.stride_height << "," << w.stride_width << ", pads " << w.pad_top << ","
        << w.pad_left << "," << w.pad_bottom << "," << w.pad_right << ", dilation " << w.dilation_height << ","
        << w.dilation_width;
    return out.str();
  }
};

int64_t output_size(int64_t size, int64_t pads, int64_t kernel, int64_t dilation, int64_t stride) {
  const int64_t room = size + pads - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

/// Gives a case its sizes and values; false if it has no output.
bool fill(Case& test, Random& random, bool awkward) {
  const ConvWeights& w = test.weights;
  Image& image = test.image;
  image.channels = w.group_channels * w.group;
  image.out_height =
      output_size(image.height, w.pad_top + w.pad_bottom, w.kernel_height, w.dilation_height, w.stride_height);
  image.out_width =
      output_size(image.width, w.pad_left + w.pad_right, w.kernel_width, w.dilation_width, w.stride_width);
  if (image.out_height < 1 || image.out_width < 1) return false;
  const int64_t pixels = image.batch * image.channels * image.height * image.width;
  test.x = awkward ? random.awkward_floats(pixels, 50) : random.floats(pixels);
  test.scale = random.floats(w.out_channels);
  test.bias = random.floats(w.out_channels);
  test.packed = random.packed(w.out_channels, w.group_channels * w.kernel_height * w.kernel_width);
  test.weights.packed = test.packed.data();
  return true;
}

std::vector<float> run(const ConvKernel& kernel, const Case& test, bool threads, bool* intact) {
  GuardedMemory y(static_cast<size_t>(test.outputs()) * sizeof(float));
  GuardedMemory scratch(kernel.scratch_bytes(test.image));
  ConvOperands operands{};
  operands.x = test.x.data();
  operands.scale = test.scale.data();
  operands.bias = test.bias.data();
  operands.y = static_cast<float*>(y.get());
  operands.scratch = scratch.get();
  kernel.run(test.image, operands, Executor{threads ? run_on_threads : run_in_order, nullptr});
  *intact = y.intact() && scratch.intact();
  const auto* values = static_cast<const float*>(y.get());
  return {values, values + test.outputs()};
}

void compare(const KernelSet& set, const Case& test, bool threads, Report& report) {
  bool intact = true;
  const auto expected = run(*scalar_kernels.bwn_conv2d(test.weights), test, false, &intact);
  Case absolute = test;  // the same sum of absolute values
  const std::vector<uint8_t> ones(test.packed.size(), 0xff);
  absolute.weights.packed = ones.data();
  for (float& value : absolute.x) value = std::fabs(value);
  for (float& value : absolute.scale) value = 1e-5f * std::fabs(value);
  // The last rounding; outputs without a bias are as small as their activations.
  for (float& value : absolute.bias) value = value == 0 ? 1e-37f : 1e-6f + 1e-6f * std::fabs(value);
  const auto tolerance = run(*scalar_kernels.bwn_conv2d(absolute.weights), absolute, false, &intact);
  const auto found = run(*set.bwn_conv2d(test.weights), test, threads, &intact);
  const int64_t at = first_difference(found.data(), expected.data(), tolerance.data(), test.outputs());
  report.expect(at < 0, set.name, ": ", test.text(), ": output ", at, " is ", at < 0 ? 0 : found[at], ", expected ",
                at < 0 ? 0 : expected[at]);
  report.expect(intact, set.name, ": ", test.text(), ": wrote outside its memory");
}

void check(Case& test, Random& random, Report& report) {
  if (left_out(random)) return;
  const bool awkward = random.chance(0.5);
  if (!fill(test, random, awkward)) return;
  for (const KernelSet* set : runnable_kernels()) {
    const bool threads = random.chance(0.3);
    compare(*set, test, threads, report);
  }
}

Case random_case(Random& random) {
  Case test{};
  ConvWeights& w = test.weights;
  const bool square = random.chance(0.6);
  w.group = random.pick<int64_t>({1, 1, 1, 2, 3});
  w.group_channels = random.pick<int64_t>({1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 33, 64, 65, 100});
  w.out_channels = w.group * random.pick<int64_t>({1, 2, 3, 4, 7, 8, 9, 16, 17, 33, 70});
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

/// Images that are packed in several pieces: of many rows, and of rows longer than a piece.
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
  return cases;
}

/// Enough work to be worth several threads: one image, and several small ones.
std::vector<Case> large_cases(Random& random) {
  std::vector<Case> cases(2);
  for (Case& test : cases) test.weights = {128, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, nullptr};
  cases[0].image = {1, 64, 28, 28, 0, 0};
  cases[1].image = {9, 64, 8, 8, 0, 0};
  for (Case& test : cases) fill(test, random, true);
  return cases;
}

/// Images whose activations are of very different sizes, from one to the next and within one: what numbers of a common
/// step hold badly. Zeros are many, and whole windows of them; there is no bias that would hide what is small.
void make_uneven(Case& test, Random& random) {
  const Image& image = test.image;
  const int64_t area = image.height * image.width;
  for (int64_t n = 0; n < image.batch; ++n) {
    const float size = random.pick({1.0f, 1.0f, 1e-33f, 1e-20f, 1e30f});
    const int64_t fade = random.pick({0, 0, 1, 3, 8});  // powers of ten, from the top to the bottom
    const bool sparse = random.chance(0.5);
    float* x = test.x.data() + n * image.channels * area;
    for (int64_t i = 0; i < image.channels * area; ++i) {
      const float depth = static_cast<float>(i % area) / static_cast<float>(area);
      x[i] = sparse && x[i] < 0 ? 0.0f : x[i] * size * std::pow(10.0f, -depth * static_cast<float>(fade));
    }
    if (sparse) {
      for (int64_t channel = 0; channel < image.channels; ++channel) {
        for (int64_t i = area / 2; i < area; ++i) x[channel * area + i] = 0;
      }
    }
    const float outlier = random.pick({1.0f, 10.0f, 100.0f, 1e4f, 1e8f});
    x[random.between(0, image.channels * area - 1)] = size * outlier;
    if (random.chance(0.1)) x[random.between(0, image.channels * area - 1)] = 3e38f;
  }
  for (float& value : test.bias) value = 0;
}

void check_uneven(Random& random, Report& report) {
  for (int i = 0; i < 150; ++i) {
    if (left_out(random)) continue;
    Case test = random_case(random);
    test.weights.group_channels = random.pick<int64_t>({4, 7, 8, 16, 31, 64});
    test.weights.out_channels = test.weights.group * random.pick<int64_t>({17, 24, 32, 33, 64, 70});
    if (!fill(test, random, false)) continue;
    make_uneven(test, random);
    for (const KernelSet* set : runnable_kernels()) compare(*set, test, random.chance(0.3), report);
  }
}

}  // namespace

int main() {
  Random random(20240607);
  Report report;
  for (Case& test : resnet_cases()) check(test, random, report);
  for (Case& test : large_cases()) check(test, random, report);
  for (int i = 0; i < 400; ++i) {
    Case test = random_case(random);
    check(test, random, report);
  }
  check_uneven(random, report);
  for (const Case& test : large_cases(random)) {
    if (left_out(random)) continue;
    for (const KernelSet* set : runnable_kernels()) {
      compare(*set, test, true, report);
    }
  }
  return report.finish();
}
