// Recurrences of every kernel set against the scalar linear layer, step by step, so that errors do not add up.
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

struct Case {
  int64_t steps, batch, size;
  std::vector<uint8_t> packed;
  std::vector<float> u, threshold, scale, initial;

  LinearWeights weights() const { return {size, size, packed.data()}; }
  std::string text() const {
    return std::to_string(steps) + " steps, batch " + std::to_string(batch) + ", size " + std::to_string(size);
  }
};

std::vector<float> run(const RecurrenceKernel& kernel, const Case& test, bool xnor, bool threads, bool* intact) {
  GuardedMemory p(test.u.size() * sizeof(float));
  GuardedMemory scratch(kernel.scratch_bytes(test.batch));
  RecurrenceOperands operands{};
  operands.u = test.u.data();
  operands.threshold = xnor ? test.threshold.data() : nullptr;
  operands.scale = test.scale.data();
  operands.initial = test.initial.data();
  operands.y = static_cast<float*>(p.get());
  operands.scratch = scratch.get();
  kernel.run(test.steps, test.batch, operands, Executor{threads ? run_on_threads : run_in_order, nullptr});
  *intact = *intact && p.intact() && scratch.intact();
  const auto* values = static_cast<const float*>(p.get());
  return {values, values + test.u.size()};
}

/// p[t] from p[t - 1] for one row, by the plainest of means, and how far a kernel may be from it.
void check_row(const KernelSet& set, const Case& test, bool xnor, const float* previous, const float* u, const float* p,
               Report& report) {
  const int64_t row_bytes = (test.size + 7) / 8;
  std::vector<double> activations(static_cast<size_t>(test.size));
  for (int64_t k = 0; k < test.size; ++k) {
    activations[k] = xnor ? (previous[k] >= test.threshold[k] ? 1.0 : -1.0) : std::tanh(double{previous[k]});
  }
  for (int64_t o = 0; o < test.size; ++o) {
    double sum = 0, magnitude = 0;
    for (int64_t k = 0; k < test.size; ++k) {
      const bool positive = (test.packed[o * row_bytes + k / 8] >> (k % 8)) & 1;
      sum += positive ? activations[k] : -activations[k];
      magnitude += std::fabs(activations[k]);
    }
    const float product = test.scale[o] * static_cast<float>(sum);
    const float expected = product + u[o];
    const double error = std::fabs(double{p[o]} - double{expected});
    const double allowed = 1e-5 * std::fabs(test.scale[o]) * magnitude + 1e-6 * (1 + std::fabs(expected));
    const bool good = same(p[o], expected) || (!xnor && error <= allowed);
    report.expect(good, set.name, xnor ? " xnor: " : " bwn: ", test.text(), ": output ", o, " is ", p[o], ", expected ",
                  expected);
  }
}

void check(const KernelSet& set, const Case& test, bool xnor, bool threads, Report& report) {
  bool intact = true;
  const auto kernel = xnor ? set.xnor_recurrence(test.weights()) : set.bwn_recurrence(test.weights());
  const auto p = run(*kernel, test, xnor, threads, &intact);
  report.expect(intact, set.name, ": ", test.text(), ": wrote outside its memory");
  for (int64_t row = 0; row < test.steps * test.batch; ++row) {
    const float* previous = row < test.batch ? &test.initial[row * test.size] : &p[(row - test.batch) * test.size];
    check_row(set, test, xnor, previous, &test.u[row * test.size], &p[row * test.size], report);
  }
}

Case make_case(int64_t steps, int64_t batch, int64_t size, Random& random) {
  Case test{steps, batch, size, {}, {}, {}, {}, {}};
  test.packed = random.packed(size, size);
  test.u = random.floats(steps * batch * size);
  test.threshold = random.awkward_floats(size, 10);
  test.scale = random.floats(size);
  for (float& value : test.scale) value *= 0.1f;
  test.initial =
      random.chance(0.5) ? random.floats(batch * size) : std::vector<float>(static_cast<size_t>(batch * size), 0.0f);
  return test;
}

/// A layer of one unit with weight +1 and scale 1, fed nothing, gives the hyperbolic tangent of its state.
void check_tanh(const KernelSet& set, Report& report) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = {0.0f, 1e-30f, 1e-6f, 0.6249999f, 0.625f,   1.0f,
                               9.0f, 10.0f,  88.0f, 1e30f,      infinity, std::nanf("")};
  for (float value = 1e-4f; value < 20; value *= 1.001f) values.push_back(value);
  const size_t positive = values.size();
  for (size_t i = 0; i < positive; ++i) values.push_back(-values[i]);
  const auto batch = static_cast<int64_t>(values.size());
  const Case test{1, batch, 1, {1}, std::vector<float>(values.size(), 0.0f), {}, {1.0f}, values};
  bool intact = true;
  const auto p = run(*set.bwn_recurrence(test.weights()), test, false, false, &intact);
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = std::tanh(double{values[i]});
    const bool good =
        std::isnan(values[i]) ? std::isnan(p[i]) : std::fabs(p[i] - expected) <= 2e-7 * std::fabs(expected);
    report.expect(good, set.name, ": tanh(", values[i], ") is ", p[i], ", expected ", expected);
  }
}

}  // namespace

int main() {
  Random random(7);
  Report report;
  for (int i = 0; i < 60; ++i) {
    if (left_out(random)) continue;
    const int64_t size = i == 0 ? 512 : random.between(1, 150);
    const Case test = make_case(random.between(1, 5), random.pick<int64_t>({1, 1, 2, 5}), size, random);
    for (const KernelSet* set : runnable_kernels()) {
      check(*set, test, true, random.chance(0.3), report);
      check(*set, test, false, random.chance(0.3), report);
    }
  }
  // Enough to be worth several threads: over the batch, and over the outputs of one state.
  for (const Case& test : {make_case(5, 65, 150, random), make_case(2, 1, 2100, random)}) {
    if (left_out(random)) continue;
    for (const KernelSet* set : runnable_kernels()) {
      check(*set, test, true, true, report);
      check(*set, test, false, true, report);
    }
  }
  for (const KernelSet* set : runnable_kernels()) check_tanh(*set, report);
  return report.finish();
}
