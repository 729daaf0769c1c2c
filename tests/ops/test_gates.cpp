// LSTM and GRU of every kernel set against the formulas of SPEC.md: XNOR to the bit over whole sequences, binary
// weights step by step from equal states, so that errors do not add up.
#include "harness.h"

using namespace edgenet;
using namespace edgenet::test;

namespace {

enum class Cell { kXnorLstm, kBwnLstm, kXnorGru, kBwnGru };
constexpr Cell kCells[] = {Cell::kXnorLstm, Cell::kBwnLstm, Cell::kXnorGru, Cell::kBwnGru};

bool is_xnor(Cell cell) { return cell == Cell::kXnorLstm || cell == Cell::kXnorGru; }
bool is_lstm(Cell cell) { return cell == Cell::kXnorLstm || cell == Cell::kBwnLstm; }
int64_t gates_of(Cell cell) { return is_lstm(cell) ? 4 : 3; }

struct Case {
  Cell cell;
  int64_t steps, batch, size;
  std::vector<uint8_t> packed;
  std::vector<float> u, threshold, scale, bias, initial, initial_cell;

  int64_t gate_values() const { return gates_of(cell) * size; }
  LinearWeights weights() const { return {gate_values(), size, packed.data()}; }
  std::string text() const {
    const char* names[] = {"xnor lstm", "bwn lstm", "xnor gru", "bwn gru"};
    return names[static_cast<int>(cell)] + (": " + std::to_string(steps)) + " steps, batch " + std::to_string(batch) +
           ", size " + std::to_string(size);
  }
};

std::unique_ptr<RecurrenceKernel> make_kernel(const KernelSet& set, const Case& test) {
  switch (test.cell) {
    case Cell::kXnorLstm:
      return set.xnor_lstm(test.weights());
    case Cell::kBwnLstm:
      return set.bwn_lstm(test.weights());
    case Cell::kXnorGru:
      return set.xnor_gru(test.weights());
    default:
      return set.bwn_gru(test.weights());
  }
}

struct Output {
  std::vector<float> h, final_cell;
};

Output run(const RecurrenceKernel& kernel, const Case& test, bool threads, bool* intact) {
  const int64_t states = test.batch * test.size;
  GuardedMemory h(static_cast<size_t>(test.steps * states) * sizeof(float));
  GuardedMemory cell(static_cast<size_t>(states) * sizeof(float));
  GuardedMemory scratch(kernel.scratch_bytes(test.batch));
  RecurrenceOperands operands{};
  operands.u = test.u.data();
  operands.threshold = is_xnor(test.cell) ? test.threshold.data() : nullptr;
  operands.scale = test.scale.data();
  operands.bias = is_lstm(test.cell) ? nullptr : test.bias.data();
  operands.initial = test.initial.data();
  operands.initial_cell = is_lstm(test.cell) ? test.initial_cell.data() : nullptr;
  operands.y = static_cast<float*>(h.get());
  operands.final_cell = is_lstm(test.cell) ? static_cast<float*>(cell.get()) : nullptr;
  operands.scratch = scratch.get();
  kernel.run(test.steps, test.batch, operands, Executor{threads ? run_on_threads : run_in_order, nullptr});
  *intact = *intact && h.intact() && cell.intact() && scratch.intact();
  const auto* h_values = static_cast<const float*>(h.get());
  const auto* cell_values = static_cast<const float*>(cell.get());
  return {{h_values, h_values + test.steps * states}, {cell_values, cell_values + states}};
}

float hard_s(float a) { return std::isnan(a) ? a : std::fmin(std::fmax(a / 4.0f + 0.5f, 0.0f), 1.0f); }
float hard_k(float a) { return std::isnan(a) ? a : std::fmin(std::fmax(a, -1.0f), 1.0f); }
double smooth_s(double a) { return 1 / (1 + std::exp(-a)); }
double smooth_k(double a) { return std::tanh(a); }

/// One row of one step by the formulas: a gate's sum, and the sum of magnitudes that its tolerance goes by.
struct Sums {
  std::vector<double> dot;
  double magnitude = 0;
};

Sums sums_of(const Case& test, const float* previous) {
  Sums sums;
  std::vector<double> x(static_cast<size_t>(test.size));
  for (int64_t k = 0; k < test.size; ++k) {
    x[k] = !is_xnor(test.cell) ? previous[k] : previous[k] >= test.threshold[k] ? 1 : -1;
    sums.magnitude += std::fabs(x[k]);
  }
  for (int64_t o = 0; o < test.gate_values(); ++o) {
    const uint8_t* row = &test.packed[o * ((test.size + 7) / 8)];
    double dot = 0;
    for (int64_t k = 0; k < test.size; ++k) dot += (row[k / 8] >> (k % 8)) & 1 ? x[k] : -x[k];
    sums.dot.push_back(dot);
  }
  return sums;
}

/// One step of one row in float32 with the hard functions. `cell` is read and written.
void hard_step(const Case& test, const float* previous, const float* u, float* cell, float* h) {
  const Sums sums = sums_of(test, previous);
  const auto product = [&](int64_t gate, int64_t j) {
    const int64_t o = gate * test.size + j;
    return test.scale[o] * static_cast<float>(sums.dot[o]);
  };
  const auto part = [&](int64_t gate, int64_t j) { return product(gate, j) + u[gate * test.size + j]; };
  for (int64_t j = 0; j < test.size; ++j) {
    if (is_lstm(test.cell)) {
      const float kept = hard_s(part(1, j)) * cell[j];
      const float added = hard_s(part(0, j)) * hard_k(part(2, j));
      cell[j] = kept + added;
      h[j] = hard_s(part(3, j)) * hard_k(cell[j]);
    } else {
      const float inner = product(2, j) + test.bias[j];
      const float recalled = hard_s(part(0, j)) * inner;
      const float proposed = hard_k(recalled + u[2 * test.size + j]);
      const float share = hard_s(part(1, j));
      const float fresh = (1.0f - share) * proposed;
      const float kept = share * previous[j];
      h[j] = fresh + kept;
    }
  }
}

void check_xnor(const KernelSet& set, const Case& test, const Output& found, Report& report) {
  std::vector<float> cell = test.initial_cell;
  std::vector<float> h(test.size);
  for (int64_t row = 0; row < test.steps * test.batch; ++row) {
    const float* previous =
        row < test.batch ? &test.initial[row * test.size] : &found.h[(row - test.batch) * test.size];
    hard_step(test, previous, &test.u[row * test.gate_values()], &cell[row % test.batch * test.size], h.data());
    const int64_t at = first_difference(&found.h[row * test.size], h.data(), nullptr, test.size);
    report.expect(at < 0, set.name, " ", test.text(), ": row ", row, " output ", at, " is ",
                  at < 0 ? 0 : found.h[row * test.size + at], ", expected ", at < 0 ? 0 : h[at]);
  }
  if (!is_lstm(test.cell)) return;
  const int64_t at = first_difference(found.final_cell.data(), cell.data(), nullptr, test.batch * test.size);
  report.expect(at < 0, set.name, " ", test.text(), ": cell ", at, " differs");
}

struct Value {
  double exact, allowed;
};

bool near(float found, Value value) {
  if (!std::isfinite(value.exact)) return std::isnan(value.exact) ? std::isnan(found) : found == value.exact;
  return std::fabs(found - value.exact) <= value.allowed;
}

/// One step of a case of one step. A gate may be off by 1e-5 of its magnitudes; s and k never steepen that.
void check_bwn_step(const KernelSet& set, const Case& test, const Output& found, Report& report) {
  for (int64_t row = 0; row < test.batch; ++row) {
    const float* previous = &test.initial[row * test.size];
    const float* u = &test.u[row * test.gate_values()];
    const Sums sums = sums_of(test, previous);
    const auto part = [&](int64_t gate, int64_t j) {
      const int64_t o = gate * test.size + j;
      return test.scale[o] * sums.dot[o] + u[o];
    };
    const auto slack = [&](int64_t gate, int64_t j) {
      const int64_t o = gate * test.size + j;
      return 1e-5 * std::fabs(test.scale[o]) * sums.magnitude + 1e-6 * (1 + std::fmin(std::fabs(u[o]), 100.0f));
    };
    for (int64_t j = 0; j < test.size; ++j) {
      Value h{};
      if (is_lstm(test.cell)) {
        const double last = test.initial_cell[row * test.size + j];
        const double gate_slack = slack(0, j) + slack(1, j) + slack(2, j) + slack(3, j);
        const Value cell = {smooth_s(part(1, j)) * last + smooth_s(part(0, j)) * smooth_k(part(2, j)),
                            gate_slack * (1 + std::fabs(last))};
        report.expect(near(found.final_cell[row * test.size + j], cell), set.name, " ", test.text(), ": cell ", j,
                      " of row ", row, " is ", found.final_cell[row * test.size + j], ", expected ", cell.exact);
        h = {smooth_s(part(3, j)) * smooth_k(cell.exact), cell.allowed + gate_slack};
      } else {
        const double inner = test.scale[2 * test.size + j] * sums.dot[2 * test.size + j] + test.bias[j];
        const double proposed = smooth_k(smooth_s(part(0, j)) * inner + u[2 * test.size + j]);
        const double share = smooth_s(part(1, j));
        const double gate_slack = slack(0, j) + slack(1, j) + slack(2, j);
        h = {(1 - share) * proposed + share * previous[j],
             gate_slack * (2 + std::fabs(inner) + std::fabs(previous[j]))};
      }
      report.expect(near(found.h[row * test.size + j], h), set.name, " ", test.text(), ": output ", j, " of row ", row,
                    " is ", found.h[row * test.size + j], ", expected ", h.exact);
    }
  }
}

Case step_of(const Case& test, int64_t step, const Output& last) {
  Case one = test;
  one.steps = 1;
  const int64_t values = test.batch * test.gate_values();
  one.u.assign(test.u.begin() + step * values, test.u.begin() + (step + 1) * values);
  if (step > 0) {
    one.initial = last.h;
    one.initial_cell = last.final_cell;
  }
  return one;
}

/// A sequence is what its steps, each fed the state of the last, are.
void check_steps(const KernelSet& set, const Case& test, const Output& whole, Report& report) {
  const auto kernel = make_kernel(set, test);
  const int64_t states = test.batch * test.size;
  Output last;
  bool intact = true;
  for (int64_t step = 0; step < test.steps; ++step) {
    const Case one = step_of(test, step, last);
    last = run(*kernel, one, false, &intact);
    if (!is_xnor(test.cell)) check_bwn_step(set, one, last, report);
    const int64_t at = first_difference(&whole.h[step * states], last.h.data(), nullptr, states);
    report.expect(at < 0, set.name, " ", test.text(), ": step ", step, " alone differs in output ", at);
  }
  if (!is_lstm(test.cell)) return;
  const int64_t at = first_difference(whole.final_cell.data(), last.final_cell.data(), nullptr, states);
  report.expect(at < 0, set.name, " ", test.text(), ": the last step alone differs in cell ", at);
}

void check(const Case& test, Random& random, Report& report, double threads_chance = 0.3) {
  if (left_out(random)) return;
  for (const KernelSet* set : runnable_kernels()) {
    bool intact = true;
    const auto kernel = make_kernel(*set, test);
    const Output found = run(*kernel, test, random.chance(threads_chance), &intact);
    report.expect(intact, set->name, " ", test.text(), ": wrote outside its memory");
    if (is_xnor(test.cell)) check_xnor(*set, test, found, report);
    check_steps(*set, test, found, report);
  }
}

Case make_case(Cell cell, int64_t steps, int64_t batch, int64_t size, bool awkward, Random& random) {
  Case test{cell, steps, batch, size, {}, {}, {}, {}, {}, {}, {}};
  test.packed = random.packed(test.gate_values(), size);
  test.u = awkward ? random.awkward_floats(steps * batch * test.gate_values(), 300)
                   : random.floats(steps * batch * test.gate_values());
  test.threshold = awkward ? random.awkward_floats(size, 10) : random.floats(size);
  for (float& value : test.threshold) value *= 0.3f;
  test.scale = random.floats(test.gate_values());
  for (float& value : test.scale) value /= std::sqrt(static_cast<float>(size));
  test.bias = random.floats(size);
  test.initial = random.floats(batch * size);
  test.initial_cell = random.floats(batch * size);
  return test;
}

/// Gates driven far beyond where they saturate, and by what is no number.
void check_extremes(Report& report) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {0.0f,      -0.0f,         1e-30f,     -2.0f,      2.0f,   87.0f,
                                     -87.0f,    89.0f,         -89.0f,     1e30f,      -1e30f, infinity,
                                     -infinity, std::nanf(""), 1.9999999f, -1.9999999f};
  Random random(3);
  for (const Cell cell : kCells) {
    Case test = make_case(cell, 1, static_cast<int64_t>(values.size()), 7, false, random);
    for (size_t i = 0; i < test.u.size(); ++i) {
      if (random.chance(0.5)) test.u[i] = values[static_cast<size_t>(random.between(0, 15))];
    }
    for (float& value : test.scale) value = random.chance(0.5) ? 0.0f : value;
    check(test, random, report);
  }
}

}  // namespace

int main() {
  Random random(11);
  Report report;
  for (int i = 0; i < 40; ++i) {
    for (const Cell cell : kCells) {
      check(make_case(cell, random.between(1, 5), random.pick<int64_t>({1, 1, 2, 5, 8}), random.between(1, 140),
                      random.chance(0.4), random),
            random, report);
    }
  }
  for (const Cell cell : kCells) {
    check(make_case(cell, 2, 1, 512, false, random), random, report);
    check(make_case(cell, 3, 3, 257, true, random), random, report);
    // Enough to be worth several threads: over the batch, and over the outputs of one state.
    check(make_case(cell, 3, 40, 120, false, random), random, report, 1.0);
    check(make_case(cell, 2, 1, 1100, true, random), random, report, 1.0);
  }
  check_extremes(report);
  return report.finish();
}
