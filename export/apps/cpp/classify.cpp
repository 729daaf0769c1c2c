// classify MODEL.onnx LIBRARY|- IMAGE...: classifies pictures (.pgm or .ppm) by a file that was exported with
// --embed-preprocessing, and says whether native kernels ran. `-` in place of our library: the portable path.
#include <dlfcn.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

struct Picture {
  std::vector<uint8_t> pixels;
  std::vector<int64_t> shape;  // batch, height, width, channels
};

// A binary PGM (P5, grey) or PPM (P6, RGB) of 8 bits; comments stand behind #.
Picture ReadPicture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  file >> kind;
  int64_t sizes[3] = {};  // width, height, brightest
  for (int64_t& size : sizes) {
    while ((file >> std::ws).peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    file >> size;
  }
  file.get();
  const bool fits = (kind == "P5" || kind == "P6") && sizes[0] > 0 && sizes[1] > 0 && sizes[2] == 255;
  if (!file || !fits) throw std::runtime_error(path + " is no binary .pgm or .ppm of 8 bits");
  Picture picture{{}, {1, sizes[1], sizes[0], kind == "P5" ? 1 : 3}};
  picture.pixels.assign(std::istreambuf_iterator<char>(file), {});
  const size_t wanted = static_cast<size_t>(sizes[0] * sizes[1] * picture.shape[3]);
  if (picture.pixels.size() < wanted) throw std::runtime_error(path + " ends too early");
  picture.pixels.resize(wanted);
  return picture;
}

// The names of the classes, which the file carries as JSON: ["first", "second"].
std::vector<std::string> ReadClasses(const Ort::Session& session) {
  Ort::AllocatorWithDefaultOptions allocator;
  auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated("edgenet.classes", allocator);
  std::vector<std::string> names;
  bool inside = false;
  for (const char* at = text ? text.get() : ""; *at; ++at) {
    if (*at == '"') {
      inside = !inside;
      if (inside) names.emplace_back();
    } else if (inside) {
      names.back() += *at;
    }
  }
  return names;
}

void Classify(const char* model, const std::string& library, char** begin, char** end) {
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "classify");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  if (library != "-") options.RegisterCustomOpsLibrary(library.c_str());
  Ort::Session session(env, model, options);
  const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const std::vector<std::string> classes = ReadClasses(session);
  for (char** path = begin; path != end; ++path) {
    Picture picture = ReadPicture(*path);
    Ort::Value image = Ort::Value::CreateTensor(memory, picture.pixels.data(), picture.pixels.size(),
                                                picture.shape.data(), picture.shape.size());
    const char *inputs[] = {"image"}, *outputs[] = {"logits"};
    const auto start = std::chrono::steady_clock::now();
    const std::vector<Ort::Value> result = session.Run(Ort::RunOptions{}, inputs, &image, 1, outputs, 1);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    const float* logits = result[0].GetTensorData<float>();
    const size_t count = result[0].GetTensorTypeAndShapeInfo().GetElementCount();
    const size_t best = static_cast<size_t>(std::max_element(logits, logits + count) - logits);
    const std::string name = best < classes.size() ? classes[best] : std::to_string(best);
    std::printf("%s: %s (%.2f ms)\n", *path, name.c_str(), took.count());
  }
  uint64_t kernels = 0;
  if (library != "-") {
    auto created = (uint64_t (*)())dlsym(dlopen(library.c_str(), RTLD_NOW), "edgenet_kernels_created");
    if (created) kernels = created();
  }
  std::printf("%s path, %llu native kernels\n", kernels ? "native" : "portable",
              static_cast<unsigned long long>(kernels));
}

int main(int argc, char** argv) {
  if (argc < 4) return std::fputs("usage: classify MODEL.onnx LIBRARY|- IMAGE...\n", stderr), 2;
  try {
    Classify(argv[1], argv[2], argv + 3, argv + argc);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "classify: %s\n", error.what()), 1;
  }
}
