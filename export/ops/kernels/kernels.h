// The contract between the operators and their kernels. A kernel knows nothing of ONNX Runtime; shapes reach it
// checked. What each kernel computes is stated in export/SPEC.md; scalar/ is that text as code and every other set must
// agree with it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace edgenet {

/// Runs body(argument, i) for i in [0, count), on the host's threads. Returns when all are done.
struct Executor {
  void (*parallel_for)(const void* host, size_t count, void (*body)(void* argument, size_t index), void* argument);
  const void* host;
};

/// What a convolution is, apart from the image it is given.
struct ConvWeights {
  int64_t out_channels, group_channels, kernel_height, kernel_width, group;
  int64_t stride_height, stride_width, pad_top, pad_left, pad_bottom, pad_right, dilation_height, dilation_width;
  const uint8_t* packed;  ///< rows as in SPEC.md; outlives the kernel
};

struct Image {
  int64_t batch, channels, height, width, out_height, out_width;
};

/// Everything a call reads and writes. `threshold` is null for binary weights with float activations.
struct Operands {
  const float* x;
  const float* threshold;
  const float* scale;
  const float* bias;
  float* y;
  void* scratch;  ///< scratch_bytes() of it, 64-byte aligned, contents undefined
};

class ConvKernel {
 public:
  virtual ~ConvKernel();
  virtual size_t scratch_bytes(const Image& image) const = 0;
  virtual void run(const Image& image, const Operands& operands, const Executor& executor) const = 0;
};

struct LinearWeights {
  int64_t outputs, inputs;
  const uint8_t* packed;  ///< outlives the kernel
};

class LinearKernel {
 public:
  virtual ~LinearKernel();
  virtual size_t scratch_bytes(int64_t rows) const = 0;
  virtual void run(int64_t rows, const Operands& operands, const Executor& executor) const = 0;
};

struct RecurrenceOperands {
  const float* u;
  const float* threshold;  ///< null for binary weights
  const float* scale;
  const float* initial;
  float* p;  ///< the final state is its last step
  void* scratch;
};

class RecurrenceKernel {
 public:
  virtual ~RecurrenceKernel();
  virtual size_t scratch_bytes(int64_t batch) const = 0;
  virtual void run(int64_t steps, int64_t batch, const RecurrenceOperands& operands,
                   const Executor& executor) const = 0;
};

/// One instruction set. A set without a kernel of its own for an operator names the next narrower set's.
struct KernelSet {
  const char* name;
  std::unique_ptr<ConvKernel> (*xnor_conv2d)(const ConvWeights&);
  std::unique_ptr<ConvKernel> (*bwn_conv2d)(const ConvWeights&);
  std::unique_ptr<LinearKernel> (*xnor_linear)(const LinearWeights&);
  std::unique_ptr<LinearKernel> (*bwn_linear)(const LinearWeights&);
  std::unique_ptr<RecurrenceKernel> (*xnor_recurrence)(const LinearWeights&);
  std::unique_ptr<RecurrenceKernel> (*bwn_recurrence)(const LinearWeights&);
};

extern const KernelSet scalar_kernels;
#if defined(__x86_64__) || defined(_M_X64)
extern const KernelSet avx2_kernels;
extern const KernelSet avx512_kernels;
#endif

/// The sets that this CPU runs, the widest last.
std::vector<const KernelSet*> runnable_kernels();

/// The widest set this CPU runs, or the one EDGENET_ISA names ("scalar", "avx2", "avx512"); throws
/// std::invalid_argument with a message when that is unknown or not runnable here.
/// The variable is read at every call, so it holds for the sessions made after it is set.
const KernelSet& active_kernels();

}  // namespace edgenet
