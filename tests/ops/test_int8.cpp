// Kernels of 8-bit activations: every set against the scalar one, to the bit.
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

struct Case {
  ConvWeights weights{};
  Image image{};
  std::vector<float> x, scale, bias;
  std::vector<uint8_t> bytes, bits;

  int64_t outputs() const {
    const bool pooled = weights.form.max_pool;
    const int64_t rows = pooled ? weights.pool.rows(image.out_height) : image.out_height;
    const int64_t columns = pooled ? weights.pool.columns(image.out_width) : image.out_width;
    return image.batch * weights.out_channels * rows * columns;
  }
  std::string text() const {
    const ConvWeights& w = weights;
    std::ostringstream s;
    s << "x " << image.batch << "x" << image.channels << "x" << image.height << "x" << image.width << ", "
      << w.out_channels << " outputs, kernel " << w.kernel_height << "x" << w.kernel_width << ", group " << w.group
      << ", strides " << w.stride_height << " " << w.stride_width << ", pads " << w.pad_top << " " << w.pad_left << " "
      << w.pad_bottom << " " << w.pad_right << ", dilations " << w.dilation_height << " " << w.dilation_width;
    return s.str();
  }
};

int64_t output_size(int64_t size, int64_t pads, int64_t kernel, int64_t dilation, int64_t stride) {
  const int64_t room = size + pads - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

std::vector<uint8_t> int8_weights(int64_t count, Random& random) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  for (uint8_t& byte : bytes) {
    const int64_t value = random.chance(0.1) ? random.pick({-127, 127}) : random.between(-127, 127);
    byte = static_cast<uint8_t>(static_cast<int8_t>(value));
  }
  return bytes;
}

/// Samples of zeros, of equal values, and of sizes that float32 hardly holds beside the usual ones.
std::vector<float> samples(int64_t count, int64_t size, Random& random) {
  std::vector<float> x = random.floats(count * size);
  for (int64_t n = 0; n < count; ++n) {
    const float factor = random.chance(0.6) ? 1.0f : random.pick({0.0f, 1e-36f, 1e-20f, 1e30f});
    const bool equal = random.chance(0.1);
    for (int64_t i = 0; i < size; ++i) x[n * size + i] = (equal ? 1.0f : x[n * size + i]) * factor;
  }
  return x;
}

bool fill(Case& test, Random& random) {
  const ConvWeights& w = test.weights;
  Image& image = test.image;
  image.channels = w.group_channels * w.group;
  image.out_height =
      output_size(image.height, w.pad_top + w.pad_bottom, w.kernel_height, w.dilation_height, w.stride_height);
  image.out_width =
      output_size(image.width, w.pad_left + w.pad_right, w.kernel_width, w.dilation_width, w.stride_width);
  if (image.out_height < 1 || image.out_width < 1) return false;
  const int64_t row = w.group_channels * w.kernel_height * w.kernel_width;
  test.x = samples(image.batch, image.channels * image.height * image.width, random);
  test.scale = random.floats(w.out_channels);
  test.bias = random.floats(w.out_channels);
  test.bytes = int8_weights(w.out_channels * row, random);
  test.bits = random.packed(w.out_channels, row);
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
  *intact = *intact && y.intact() && scratch.intact();
  const auto* values = static_cast<const float*>(y.get());
  return {values, values + test.outputs()};
}

void compare(const KernelSet& set, Case& test, bool threads, Report& report) {
  for (const bool binary : {false, true}) {
    if (binary && test.weights.form.max_pool) continue;
    test.weights.packed = (binary ? test.bits : test.bytes).data();
    const auto make = [&](const KernelSet& of) {
      return binary ? of.bwn_int8_conv2d(test.weights) : of.int8_conv2d(test.weights);
    };
    bool intact = true;
    const auto expected = run(*make(scalar_kernels), test, false, &intact);
    const auto found = run(*make(set), test, threads, &intact);
    const int64_t at = first_difference(found.data(), expected.data(), nullptr, test.outputs());
    report.expect(at < 0, set.name, binary ? " bits: " : " bytes: ", test.text(), ": output ", at, " is ",
                  at < 0 ? 0 : found[at], ", expected ", at < 0 ? 0 : expected[at]);
    report.expect(intact, set.name, ": ", test.text(), ": wrote outside its memory");
  }
}

/// Gives a case its pooling; false if no window fits.
bool fill_pool(Case& test, Random& random) {
  PoolWindow& pool = test.weights.pool;
  pool.kernel_height = random.between(1, 4);
  pool.kernel_width = random.between(1, 4);
  pool.stride_height = random.between(1, 3);
  pool.stride_width = random.between(1, 3);
  pool.pad_top = random.between(0, pool.kernel_height - 1);
  pool.pad_bottom = random.between(0, pool.kernel_height - 1);
  pool.pad_left = random.between(0, pool.kernel_width - 1);
  pool.pad_right = random.between(0, pool.kernel_width - 1);
  return test.image.out_height + pool.pad_top + pool.pad_bottom >= pool.kernel_height &&
         test.image.out_width + pool.pad_left + pool.pad_right >= pool.kernel_width;
}

/// At most so much of each axis.
struct Window {
  int64_t kernel, stride, dilation, pad;
};

void pad(ConvWeights& w, int64_t most, Random& random) {
  w.pad_top = random.between(0, most);
  w.pad_left = random.between(0, most);
  w.pad_bottom = random.between(0, most);
  w.pad_right = random.between(0, most);
}

void choose(ConvWeights& w, const Window& most, Random& random) {
  w.kernel_height = random.between(1, most.kernel);
  w.kernel_width = random.between(1, most.kernel);
  w.stride_height = random.between(1, most.stride);
  w.stride_width = random.between(1, most.stride);
  w.dilation_height = random.between(1, most.dilation);
  w.dilation_width = random.between(1, most.dilation);
  pad(w, most.pad, random);
}

/// Takes an image of at most so many rows and columns, pools its rectified outputs by chance, and compares.
void check_image(const KernelSet& set, Case& test, const Image& most, double pooled, Random& random, Report& report) {
  test.weights.form.relu = random.chance(0.5);
  test.image.batch = random.between(1, most.batch);
  test.image.height = random.between(1, most.height);
  test.image.width = random.between(1, most.width);
  if (!fill(test, random)) return;
  if (test.weights.form.relu && random.chance(pooled)) test.weights.form.max_pool = fill_pool(test, random);
  compare(set, test, random.chance(0.3), report);
}

void check_random(const KernelSet& set, Random& random, Report& report) {
  for (int i = 0; i < 250; ++i) {
    if (left_out(random)) continue;
    Case test;
    ConvWeights& w = test.weights;
    w.group = random.chance(0.7) ? 1 : random.between(2, 3);
    w.out_channels = w.group * random.between(1, random.chance(0.5) ? 20 : 70);
    w.group_channels = random.between(1, 11);
    choose(w, {4, 3, 3, 4}, random);
    check_image(set, test, {3, 0, 20, 40, 0, 0}, 0.6, random, report);
  }
}

/// Kernel rows of a byte more than whole words of 4, of few channels.
void check_odd_rows(const KernelSet& set, Random& random, Report& report) {
  for (int i = 0; i < 80; ++i) {
    if (left_out(random)) continue;
    Case test;
    ConvWeights& w = test.weights;
    w.group = random.between(1, 2);
    w.group_channels = random.pick({1, 3});
    w.kernel_width = w.group_channels == 3 ? random.pick({3, 7}) : random.pick({5, 9});
    w.kernel_height = random.between(1, 9);
    w.out_channels = w.group * random.between(24, 70);
    w.stride_height = random.between(1, 4);
    w.stride_width = random.between(1, 4);
    w.dilation_height = random.between(1, 3);
    w.dilation_width = random.chance(0.9) ? 1 : 2;
    pad(w, 4, random);
    check_image(set, test, {2, 0, 30, 60, 0, 0}, 0.5, random, report);
  }
}

/// Channels in whole blocks of 64, which fill the rows of matrix tiles.
void check_blocks(const KernelSet& set, Random& random, Report& report) {
  for (int i = 0; i < 40; ++i) {
    if (left_out(random)) continue;
    Case test;
    ConvWeights& w = test.weights;
    w.group = random.chance(0.7) ? 1 : 2;
    w.group_channels = random.pick({64, 128, 192});
    w.out_channels = w.group * random.between(24, 70);
    choose(w, {3, 2, 2, 2}, random);
    check_image(set, test, {2, 0, 12, 50, 0, 0}, 0.5, random, report);
  }
}

void check_large(const KernelSet& set, Random& random, Report& report) {
  // A stem, projections, and sums as long as the specification allows.
  const ConvWeights all[] = {{64, 3, 7, 7, 1, 2, 2, 3, 3, 3, 3, 1, 1, nullptr, {}, {}},
                             {24, 64, 1, 1, 1, 2, 2, 0, 0, 0, 0, 1, 1, nullptr, {}, {}},
                             {9, 1040, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, nullptr, {}, {}},
                             {16, 115, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, nullptr, {}, {}},
                             {64, 70, 3, 3, 1, 2, 1, 1, 1, 1, 1, 2, 1, nullptr, {}, {}},
                             {106, 65, 1, 1, 2, 3, 3, 0, 0, 0, 0, 1, 1, nullptr, {}, {}},
                             {97, 200, 1, 1, 1, 1, 1, 1, 2, 0, 1, 1, 1, nullptr, {}, {}}};
  for (const ConvWeights& weights : all) {
    if (left_out(random)) continue;
    Case test;
    test.weights = weights;
    test.image = {1, 0, 33, 49, 0, 0};
    if (!fill(test, random)) continue;
    compare(set, test, true, report);
    test.weights.form.relu = test.weights.form.max_pool = true;
    test.weights.pool = {3, 3, 2, 2, 1, 1, 1, 1};
    compare(set, test, true, report);
  }
}

/// Outputs larger than caches, in whole lines of 64 bytes and not.
void check_beyond_caches(const KernelSet& set, Random& random, Report& report) {
  for (const int64_t width : {184, 183}) {
    if (left_out(random)) continue;
    Case test;
    test.weights = {64, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, nullptr, {}, {}};
    test.image = {1, 0, 184, width, 0, 0};
    fill(test, random);
    compare(set, test, true, report);
  }
}

std::vector<float> run(const LinearKernel& kernel, int64_t rows, LinearOperands operands, int64_t outputs, bool threads,
                       bool* intact) {
  GuardedMemory y(static_cast<size_t>(rows * outputs) * sizeof(float));
  GuardedMemory scratch(kernel.scratch_bytes(rows));
  operands.y = static_cast<float*>(y.get());
  operands.scratch = scratch.get();
  kernel.run(rows, operands, Executor{threads ? run_on_threads : run_in_order, nullptr});
  *intact = *intact && y.intact() && scratch.intact();
  return {operands.y, operands.y + rows * outputs};
}

void check_linear(const KernelSet& set, Random& random, Report& report) {
  for (int i = 0; i < 200; ++i) {
    if (left_out(random)) continue;
    const int64_t rows = random.between(1, 5), inputs = random.between(1, random.chance(0.1) ? 5000 : 300);
    const int64_t outputs = random.between(1, 40);
    const auto x = samples(rows, inputs, random);
    const auto bytes = int8_weights(outputs * inputs, random);
    const auto scale = random.floats(outputs), bias = random.floats(outputs);
    const LinearWeights weights{outputs, inputs, bytes.data()};
    LinearOperands operands{};
    operands.x = x.data();
    operands.scale = scale.data();
    operands.bias = bias.data();
    bool intact = true;
    const auto expected = run(*scalar_kernels.int8_linear(weights), rows, operands, outputs, false, &intact);
    const auto found = run(*set.int8_linear(weights), rows, operands, outputs, random.chance(0.3), &intact);
    const int64_t at = first_difference(found.data(), expected.data(), nullptr, rows * outputs);
    report.expect(at < 0, set.name, " linear ", rows, "x", inputs, " to ", outputs, ": output ", at, " is ",
                  at < 0 ? 0 : found[at], ", expected ", at < 0 ? 0 : expected[at]);
    report.expect(intact, set.name, " linear: wrote outside its memory");
  }
}

}  // namespace

int main() {
  Report report;
  for (const KernelSet* set : runnable_kernels()) {
    Random random(7);
    check_random(*set, random, report);
    check_odd_rows(*set, random, report);
    check_blocks(*set, random, report);
    check_large(*set, random, report);
    check_beyond_caches(*set, random, report);
    check_linear(*set, random, report);
  }
  return report.finish();
}
