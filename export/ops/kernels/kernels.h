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

/// What an operator's name says of a convolution beside its arithmetic.
struct ConvForm {
  bool from_signs = false;  ///< packed signs come in, not floats and thresholds
  bool add = false;         ///< a residual is added
  bool prelu = false;
  bool to_signs = false;  ///< packed signs go out, not floats
  bool relu = false;      ///< of the int8 convolution
  bool max_pool = false;  ///< the largest values of windows go out
};

/// Windows over an image whose maximum is taken; pads are less than the kernel, so every window meets the image.
struct PoolWindow {
  int64_t kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left, pad_bottom, pad_right;

  int64_t rows(int64_t height) const { return (height + pad_top + pad_bottom - kernel_height) / stride_height + 1; }
  int64_t columns(int64_t width) const { return (width + pad_left + pad_right - kernel_width) / stride_width + 1; }
};

/// What a convolution is, apart from the image it is given.
struct ConvWeights {
  int64_t out_channels, group_channels, kernel_height, kernel_width, group;
  int64_t stride_height, stride_width, pad_top, pad_left, pad_bottom, pad_right, dilation_height, dilation_width;
  const uint8_t* packed;  ///< rows as in SPEC.md, or int8 weights; outlives the kernel
  ConvForm form{};
  PoolWindow pool{};
  /// Of an output plane, where they are known when the kernel is made; others may come.
  int64_t likely_rows = 0, likely_columns = 0;
};

struct Image {
  int64_t batch, channels, height, width, out_height, out_width;
};

/// Everything a call of a convolution reads and writes. What its form does not have is null.
struct ConvOperands {
  const float* x;
  const float* threshold;
  const uint8_t* signs;
  const float* scale;
  const float* bias;
  const float* residual;
  const float* slope;
  const float* next_threshold;
  float* y;
  uint8_t* y_signs;
  void* scratch;  ///< scratch_bytes() of it, 64-byte aligned, contents undefined
};

/// The same for a linear layer. `threshold` is null where activations are not binary.
struct LinearOperands {
  const float* x;
  const float* threshold;
  const float* scale;
  const float* bias;
  float* y;
  void* scratch;
};

class ConvKernel {
 public:
  virtual ~ConvKernel();
  virtual size_t scratch_bytes(const Image& image) const = 0;
  virtual void run(const Image& image, const ConvOperands& operands, const Executor& executor) const = 0;
};

struct LinearWeights {
  int64_t outputs, inputs;
  const uint8_t* packed;  ///< rows as in SPEC.md, or int8 weights; outlives the kernel
};

class LinearKernel {
 public:
  virtual ~LinearKernel();
  virtual size_t scratch_bytes(int64_t rows) const = 0;
  virtual void run(int64_t rows, const LinearOperands& operands, const Executor& executor) const = 0;
};

/// A recurrent layer's weights are a linear layer's of `inputs` = H and `outputs` = gates * H.
struct RecurrenceOperands {
  const float* u;
  const float* threshold;  ///< null for binary weights
  const float* scale;
  const float* bias;  ///< of the GRU, else null
  const float* initial;
  const float* initial_cell;  ///< of the LSTM, else null
  float* y;                   ///< p of the Elman recurrence, h of the others; the final state is its last step
  float* final_cell;          ///< of the LSTM, else null
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
  std::unique_ptr<RecurrenceKernel> (*xnor_lstm)(const LinearWeights&);
  std::unique_ptr<RecurrenceKernel> (*bwn_lstm)(const LinearWeights&);
  std::unique_ptr<RecurrenceKernel> (*xnor_gru)(const LinearWeights&);
  std::unique_ptr<RecurrenceKernel> (*bwn_gru)(const LinearWeights&);
  std::unique_ptr<ConvKernel> (*int8_conv2d)(const ConvWeights&);
  std::unique_ptr<ConvKernel> (*bwn_int8_conv2d)(const ConvWeights&);
  std::unique_ptr<LinearKernel> (*int8_linear)(const LinearWeights&);
};

/// SignMaxPool2d of SPEC.md. `image.channels` counts bytes of 8 channels.
void sign_max_pool2d(const PoolWindow& window, const Image& image, const uint8_t* signs, uint8_t* y,
                     const Executor& executor);

extern const KernelSet scalar_kernels;

/// The sets that this CPU runs, the widest last.
std::vector<const KernelSet*> runnable_kernels();

/// The widest set this CPU runs, or the one EDGENET_ISA names ("scalar", "avx2", "avx512"; "avx2-base" and
/// "avx512-base" are these without AVX-VNNI, and without VNNI and VPOPCNTDQ, where the CPU has them; "avx512-words" and
/// "avx512-slices" are "avx512" with XNOR convolutions by population counts or by bit slices, where the CPU does better
/// with the other or with matrix tiles; on Arm "neon", and "neondot" with dot products); throws
/// std::invalid_argument with a message when that is unknown or not runnable here.
/// The variable is read at every call, so it holds for the sessions made after it is set.
const KernelSet& active_kernels();

}  // namespace edgenet
