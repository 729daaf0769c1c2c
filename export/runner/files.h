// Files as the kernel and ONNX Runtime write them.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace edgenet {

/// Calls `take` with every line of a file; with none where it cannot be read.
void for_lines(const std::string& path, const std::function<void(const std::string&)>& take);

/// Empty where the file cannot be read.
std::string first_line(const std::string& path);

/// All bytes of a file; throws where it cannot be read.
std::string read_file(const std::string& path);

/// Paths of what lies in a folder and begins with `prefix`, sorted; `folder` ends with a slash.
std::vector<std::string> entries(const std::string& folder, const std::string& prefix);

/// A new folder that goes with this object, and the files in it.
class TemporaryFolder {
 public:
  /// Its name is `prefix` and six characters; throws where it cannot be made.
  explicit TemporaryFolder(const std::string& prefix);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace edgenet
