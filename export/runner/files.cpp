#include "files.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace edgenet {

void for_lines(const std::string& path, const std::function<void(const std::string&)>& take) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return;
  std::string line;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    take(line);
    line.clear();
  }
  if (!line.empty()) take(line);
  std::fclose(file);
}

std::string first_line(const std::string& path) {
  std::string found;
  bool first = true;
  for_lines(path, [&](const std::string& line) {
    if (first) found = line.c_str();  // device trees end their texts with a 0
    first = false;
  });
  return found;
}

std::string read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw std::runtime_error(path + " cannot be read: " + std::strerror(errno));
  std::string content;
  char piece[1 << 14];
  for (size_t size = 1; size != 0;) {
    size = std::fread(piece, 1, sizeof piece, file.get());
    content.append(piece, size);
  }
  return content;
}

std::vector<std::string> entries(const std::string& folder, const std::string& prefix) {
  std::vector<std::string> found;
  if (DIR* open = opendir(folder.c_str())) {
    while (const dirent* entry = readdir(open)) {
      if (std::strncmp(entry->d_name, prefix.c_str(), prefix.size()) == 0) found.push_back(folder + entry->d_name);
    }
    closedir(open);
  }
  std::sort(found.begin(), found.end());
  return found;
}

// mkdtemp() puts letters of its own in place of the last six, which must be these.
TemporaryFolder::TemporaryFolder(const std::string& prefix) : path_(prefix + "XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) {
    throw std::runtime_error("a folder " + path_ + " cannot be made: " + std::strerror(errno));
  }
}

TemporaryFolder::~TemporaryFolder() {
  // Folders, such as . and .., are passed over by unlink.
  for (const std::string& entry : entries(path_ + "/", "")) unlink(entry.c_str());
  rmdir(path_.c_str());
}

}  // namespace edgenet
