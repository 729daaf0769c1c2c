// listen MODEL.onnx LIBRARY|- SOUND.wav: labels sound piece by piece, as it would come from a microphone, by a
// streaming network that was exported with --embed-preprocessing; what it gives back as state goes in with the next
// piece.
#include <dlfcn.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

constexpr double kPieceSeconds = 0.1;

template <class T>
T Read(const std::string& bytes, size_t at) {
  T value{};
  if (at + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// The samples, between -1 and 1, of a WAV of 16 bits and one channel at `rate` samples a second.
std::vector<float> ReadWave(const std::string& path, unsigned rate) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.compare(0, 4, "RIFF") || bytes.compare(8, 4, "WAVE")) throw std::runtime_error(path + " is no WAV file");
  bool known = false;
  for (size_t at = 12; at + 8 <= bytes.size(); at += 8 + (Read<uint32_t>(bytes, at + 4) + 1) / 2 * 2) {
    if (!bytes.compare(at, 4, "fmt ")) {
      const bool plain = Read<uint16_t>(bytes, at + 8) == 1 && Read<uint16_t>(bytes, at + 22) == 16;
      known = plain && Read<uint16_t>(bytes, at + 10) == 1 && Read<uint32_t>(bytes, at + 12) == rate;
    } else if (!bytes.compare(at, 4, "data") && known) {
      std::vector<float> sound(std::min<size_t>(Read<uint32_t>(bytes, at + 4), bytes.size() - at - 8) / 2);
      for (size_t i = 0; i < sound.size(); ++i) sound[i] = Read<int16_t>(bytes, at + 8 + 2 * i) / 32768.0f;
      return sound;
    }
  }
  throw std::runtime_error(path + " must be of 16 bits, one channel and " + std::to_string(rate) + " samples a second");
}

std::string Metadata(const Ort::Session& session, const char* key) {
  Ort::AllocatorWithDefaultOptions allocator;
  auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated(key, allocator);
  return text ? text.get() : "";
}

// The class of this number in JSON such as ["first", "second"].
std::string ClassName(const std::string& json, size_t index) {
  size_t start = 0, end = 0;
  for (size_t i = 0; i <= index; ++i) {
    start = json.find('"', end) + 1;
    end = start ? json.find('"', start) + 1 : 0;
    if (!end) return std::to_string(index);
  }
  return json.substr(start, end - 1 - start);
}

void Listen(const char* model, const std::string& library, const char* path) {
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "listen");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  if (library != "-") options.RegisterCustomOpsLibrary(library.c_str());
  Ort::Session session(env, model, options);
  const std::string classes = Metadata(session, "edgenet.classes"), told = Metadata(session, "edgenet.preprocessing");
  const size_t place = told.find("\"rate\": ");
  if (place == std::string::npos || session.GetInputCount() != 3)
    throw std::runtime_error("the model must be a streaming one of recordings, exported with --embed-preprocessing");
  const unsigned rate = static_cast<unsigned>(std::atoi(told.c_str() + place + 8));
  std::vector<float> sound = ReadWave(path, rate);

  const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto tensor = [&](std::vector<float>& values, size_t from, size_t count, const std::vector<int64_t>& shape) {
    return Ort::Value::CreateTensor(memory, values.data() + from, count, shape.data(), shape.size());
  };
  // The inputs are sound, state and tail: zeros and nothing before the first piece.
  std::vector<int64_t> shape = session.GetInputTypeInfo(1).GetTensorTypeAndShapeInfo().GetShape();
  size_t size = 1;
  for (int64_t& axis : shape) size *= static_cast<size_t>(axis = std::max<int64_t>(axis, 1));
  std::vector<float> zeros(size + 1);
  Ort::Value state = tensor(zeros, 0, size, shape), tail = tensor(zeros, 0, 0, {1, 0});
  const char *inputs[] = {"sound", "state", "tail"}, *outputs[] = {"logits", "final_state", "final_tail"};

  const size_t piece = static_cast<size_t>(rate * kPieceSeconds);
  double busy = 0;
  for (size_t at = 0, count; at < sound.size(); at += count) {
    count = sound.size() - at < 2 * piece ? sound.size() - at : piece;  // the last one takes what is left
    Ort::Value feeds[] = {tensor(sound, at, count, {1, static_cast<int64_t>(count)}), std::move(state),
                          std::move(tail)};
    const auto start = std::chrono::steady_clock::now();
    std::vector<Ort::Value> result = session.Run(Ort::RunOptions{}, inputs, feeds, 3, outputs, 3);
    busy += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::vector<int64_t> scores = result[0].GetTensorTypeAndShapeInfo().GetShape();  // batch, frames, classes
    const float* last = result[0].GetTensorData<float>() + (scores[1] - 1) * scores[2];
    const size_t best = static_cast<size_t>(std::max_element(last, last + scores[2]) - last);
    std::printf("%.2f s: %s\n", static_cast<double>(at + count) / rate, ClassName(classes, best).c_str());
    state = std::move(result[1]);
    tail = std::move(result[2]);
  }
  const double seconds = static_cast<double>(sound.size()) / rate;
  uint64_t kernels = 0;
  if (library != "-") {
    auto created = (uint64_t (*)())dlsym(dlopen(library.c_str(), RTLD_NOW), "edgenet_kernels_created");
    if (created) kernels = created();
  }
  std::printf("%s path, %llu native kernels, %.1f ms for %.2f s of sound\n", kernels ? "native" : "portable",
              static_cast<unsigned long long>(kernels), busy * 1e3, seconds);
}

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: listen MODEL.onnx LIBRARY|- SOUND.wav\n", stderr), 2;
  try {
    Listen(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "listen: %s\n", error.what()), 1;
  }
}
