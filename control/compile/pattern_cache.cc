#include "control/compile/pattern_cache.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "control/sha256.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "sluice-patterns 1 ";
constexpr std::string_view kSuffix = ".hsdb";
// Nobody writes for so long: what is half written and older is of a process that was killed.
constexpr auto kLeftOverAge = std::chrono::hours(1);

std::string head_of(const std::string& key, std::string_view database) {
  return std::string(kMagic) + key + "\nsha256 " + sha256_hex(database) + "\n";
}

// The name of a file that is ours alone, with the head and the database in it; empty, and no file,
// where it cannot be written as a whole.
std::string write_beside(const std::string& path, const std::string& key,
                         std::string_view database) {
  std::string name = path + ".XXXXXX";
  const int descriptor = ::mkstemp(name.data());
  if (descriptor < 0) return "";
  ::close(descriptor);
  std::ofstream file(name, std::ios::binary | std::ios::trunc);
  file << head_of(key, database) << database;
  file.close();
  if (file) return name;
  std::error_code error;
  fs::remove(name, error);
  return "";
}

}  // namespace

std::string PatternCache::path_of(const std::string& key) const {
  return directory_ + "/" + key + std::string(kSuffix);
}

std::optional<std::vector<char>> PatternCache::find(const std::string& key) const {
  if (directory_.empty()) return std::nullopt;
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path_of(key), error);
  if (error) return std::nullopt;
  std::vector<char> bytes;
  if (size <= kFileBytesMax) {
    std::ifstream file(path_of(key), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  // The head is of a fixed size for all databases.
  const std::size_t head_bytes = head_of(key, {}).size();
  if (bytes.size() > head_bytes) {
    const std::string_view all(bytes.data(), bytes.size());
    if (all.substr(0, head_bytes) == head_of(key, all.substr(head_bytes))) {
      bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(head_bytes));
      return bytes;
    }
  }
  fs::remove(path_of(key), error);
  return std::nullopt;
}

void PatternCache::keep(const std::string& key, const std::vector<char>& database) const {
  if (directory_.empty()) return;
  std::error_code error;
  fs::create_directories(directory_, error);
  fs::permissions(directory_, fs::perms::owner_all, error);
  const std::string next = write_beside(path_of(key), key, {database.data(), database.size()});
  if (next.empty()) return;
  fs::rename(next, path_of(key), error);
  if (error) fs::remove(next, error);
  remove_oldest();
}

void PatternCache::remove_oldest() const {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    const auto written = entry.last_write_time(error);
    if (error) continue;
    const bool is_left_over =
        entry.path().string().find(std::string(kSuffix) + ".") != std::string::npos;
    if (is_left_over && fs::file_time_type::clock::now() - written > kLeftOverAge) {
      fs::remove(entry.path(), error);
    }
    if (entry.path().extension() == kSuffix) files.emplace_back(written, entry.path());
  }
  if (files.size() <= kFilesMax) return;
  std::ranges::sort(files);
  for (std::size_t i = 0; i + kFilesMax < files.size(); ++i) fs::remove(files[i].second, error);
}

}  // namespace sluice
