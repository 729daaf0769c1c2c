// classify MODEL.onnx OPERATOR_LIBRARY: runs one all-zero image through an exported network and prints its class and
// whether native kernels ran.
#include <dlfcn.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: classify MODEL.onnx OPERATOR_LIBRARY\n", stderr), 2;
  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "classify");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.RegisterCustomOpsLibrary(argv[2]);  // leave this line out and the same file runs on any ONNX Runtime
  Ort::Session session(env, argv[1], options);

  std::vector<int64_t> shape = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
  for (int64_t& size : shape) size = std::max<int64_t>(size, 1);  // a dynamic batch becomes 1
  std::vector<float> pixels(std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()), 0.0f);
  Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Ort::Value input = Ort::Value::CreateTensor(memory, pixels.data(), pixels.size(), shape.data(), shape.size());

  const char *inputs[] = {"input"}, *outputs[] = {"logits"};
  std::vector<Ort::Value> result = session.Run({}, inputs, &input, 1, outputs, 1);
  const float* logits = result[0].GetTensorData<float>();
  const size_t classes = result[0].GetTensorTypeAndShapeInfo().GetElementCount();
  auto kernels = (uint64_t (*)())dlsym(dlopen(argv[2], RTLD_NOW), "edgenet_kernels_created");
  std::printf("class %td, %llu native kernels\n", std::max_element(logits, logits + classes) - logits,
              static_cast<unsigned long long>(kernels()));
}
