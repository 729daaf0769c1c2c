// Linear layers of every kernel set against the scalar ones: XNOR to the bit, BWN within 1e-5 * sum |w x|.
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

struct Case {
  int64_t rows, inputs, outputs;
  std::vector<uint8_t> packed;
  std::vector<float> x, threshold, scale, bias;

  LinearWeights weights() const { return {outputs, inputs, packed.data()}; }
  std::string text() const {
    return std::to_string(rows) + " rows, " + std::to_string(inputs) + " inputs, " + std::to_string(outputs) +
           " outputs";
  }
};

/// Random spare bits, which no kernel may look at.
void fill_spare_bits(std::vector<uint8_t>& packed, int64_t rows, int64_t bits, Random& random) {
  if (bits % 8 == 0) return;
  const int64_t row_bytes = (bits + 7) / 8;
  for (int64_t row = 1; row <= rows; ++row) {
    packed[static_cast<size_t>(row * row_bytes - 1)] |= static_cast<uint8_t>(random.between(0, 255) << bits % 8);
  }
}

Case make_case(int64_t rows, int64_t inputs, int64_t outputs, bool awkward, Random& random) {
  Case test{rows, inputs, outputs, random.packed(outputs, inputs), {}, {}, {}, {}};
  test.x = awkward ? random.awkward_floats(rows * inputs, 200) : random.floats(rows * inputs);
  test.threshold = awkward ? random.awkward_floats(inputs, 8) : random.floats(inputs);
  test.scale = random.floats(outputs);
  test.bias = random.floats(outputs);
  fill_spare_bits(test.packed, outputs, inputs, random);
  return test;
}

std::vector<float> run(const LinearKernel& kernel, const Case& test, bool xnor, bool threads, bool* intact) {
  const int64_t count = test.rows * test.outputs;
  GuardedMemory y(static_cast<size_t>(count) * sizeof(float));
  GuardedMemory scratch(kernel.scratch_bytes(test.rows));
  const LinearOperands operands = {test.x.data(),    xnor ? test.threshold.data() : nullptr, test.scale.data(),
                                   test.bias.data(), static_cast<float*>(y.get()),           scratch.get()};
  kernel.run(test.rows, operands, Executor{threads ? run_on_threads : run_in_order, nullptr});
  *intact = *intact && y.intact() && scratch.intact();
  const auto* values = static_cast<const float*>(y.get());
  return {values, values + count};
}

std::vector<float> tolerance_of(const Case& test) {
  bool intact = true;
  Case absolute = test;
  for (uint8_t& byte : absolute.packed) byte = 0xff;
  for (float& value : absolute.x) value = std::fabs(value);
  for (float& value : absolute.scale) value = 1e-5f * std::fabs(value);
  for (float& value : absolute.bias) value = 1e-6f + 1e-6f * std::fabs(value);  // the last rounding
  return run(*scalar_kernels.bwn_linear(absolute.weights()), absolute, false, false, &intact);
}

void check(const Case& test, Random& random, Report& report, double threads_chance = 0.3) {
  if (left_out(random)) return;
  const int64_t count = test.rows * test.outputs;
  bool intact = true;
  const auto xnor = run(*scalar_kernels.xnor_linear(test.weights()), test, true, false, &intact);
  const auto bwn = run(*scalar_kernels.bwn_linear(test.weights()), test, false, false, &intact);
  const auto tolerance = tolerance_of(test);
  for (const KernelSet* set : runnable_kernels()) {
    const bool threads = random.chance(threads_chance);
    const auto found = run(*set->xnor_linear(test.weights()), test, true, threads, &intact);
    int64_t at = first_difference(found.data(), xnor.data(), nullptr, count);
    report.expect(at < 0, set->name, " xnor: ", test.text(), ": output ", at, " is ", at < 0 ? 0 : found[at],
                  ", expected ", at < 0 ? 0 : xnor[at]);
    const auto found_bwn = run(*set->bwn_linear(test.weights()), test, false, threads, &intact);
    at = first_difference(found_bwn.data(), bwn.data(), tolerance.data(), count);
    report.expect(at < 0, set->name, " bwn: ", test.text(), ": output ", at, " is ", at < 0 ? 0 : found_bwn[at],
                  ", expected ", at < 0 ? 0 : bwn[at]);
    report.expect(intact, set->name, ": ", test.text(), ": wrote outside its memory");
  }
}

}  // namespace

int main() {
  Random random(42);
  Report report;
  for (int i = 0; i < 300; ++i) {
    const int64_t inputs = random.chance(0.5) ? random.between(1, 40) : random.between(41, 700);
    const Case test = make_case(random.pick<int64_t>({1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17}), inputs, random.between(1, 70),
                                random.chance(0.5), random);
    check(test, random, report);
  }
  check(make_case(2, 4096, 130, true, random), random, report);
  check(make_case(1, 70000, 9, false, random), random, report);
  check(make_case(1, 700, 1500, false, random), random, report);
  for (const int64_t inputs : {1, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025}) {
    check(make_case(3, inputs, 1, false, random), random, report);
    check(make_case(1, inputs, 257, true, random), random, report);
  }
  check(make_case(3, 2048, 1100, true, random), random, report, 1.0);  // enough to be worth several threads
  check(make_case(9, 2048, 1100, false, random), random, report);      // of too many weights to keep a second copy
  check(make_case(3, 4096, 1700, false, random), random, report);      // of more weights than a cache holds
  Case uneven_rows = make_case(6, 900, 70, false, random);             // some of which need tables of more bits
  for (const int64_t row : {1, 2, 5}) {
    for (int64_t i = 0; i < 40; ++i) uneven_rows.x[static_cast<size_t>(row * 900 + i)] *= 100.0f;
  }
  check(uneven_rows, random, report);
  Case same_sign = make_case(2, 16384, 3, false, random);  // rounding that all goes one way
  std::fill(same_sign.packed.begin(), same_sign.packed.end(), 0xff);
  std::fill(same_sign.x.begin(), same_sign.x.end(), 0.1f);
  check(same_sign, random, report);
  for (const float outlier : {1e3f, 1e6f, 1e30f, 3e38f}) {  // which must not drown the others
    Case uneven = make_case(3, 1500, 40, false, random);
    // One of the largest a row: a sum of several may pass what a float holds in one order and not in another.
    const bool largest = outlier > 1e38f;
    for (size_t i = 0; i < uneven.x.size(); i += static_cast<size_t>(largest ? 1500 : random.between(200, 900))) {
      uneven.x[i] *= outlier;
    }
    std::fill(uneven.bias.begin(), uneven.bias.end(), 0.0f);
    check(uneven, random, report);
  }
  Case tiny = make_case(2, 300, 20, false, random);
  for (float& value : tiny.x) value *= 1e-33f;
  for (float& value : tiny.scale) value *= 1e33f;
  check(tiny, random, report);
  Case uneven_pairs = make_case(6, 4096, 1700, false, random);  // the same of more weights than a cache holds
  for (const int64_t row : {1, 2, 5}) {
    for (int64_t i = 0; i < 40; ++i) uneven_pairs.x[static_cast<size_t>(row * 4096 + i)] *= 100.0f;
  }
  check(uneven_pairs, random, report);
  Case silent = make_case(4, 1024, 200, false, random);  // one row in part, one altogether
  std::fill(silent.x.begin() + 1024 + 100, silent.x.begin() + 1024 + 900, 0.0f);
  std::fill(silent.x.begin() + 2 * 1024, silent.x.begin() + 3 * 1024, 0.0f);
  check(silent, random, report);
  return report.finish();
}
