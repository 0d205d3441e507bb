#pragma once

// Compiled pattern databases on disk, a file each.
//
// A file's name is the key: the SHA-256 of all that the database depends on. Its first lines say
// the key and the SHA-256 of the bytes behind them, so that a file that is cut, changed, or copied
// from elsewhere is recognised. Files are written beside and renamed: a reader sees a whole one or
// none. The oldest beyond kFilesMax are removed, and what was left half written an hour ago.
// Nothing here is needed: a directory that cannot be read or written costs the time to compile.
// Control thread.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace sluice {

class PatternCache {
 public:
  static constexpr std::size_t kFilesMax = 32;
  static constexpr std::size_t kFileBytesMax = std::size_t{1} << 28;

  // An empty directory: nothing is kept.
  explicit PatternCache(std::string directory) : directory_(std::move(directory)) {}

  // The database of this key; nothing if there is none that is whole. A broken file is removed.
  std::optional<std::vector<char>> find(const std::string& key) const;
  void keep(const std::string& key, const std::vector<char>& database) const;

  // Where the database of this key lies.
  std::string path_of(const std::string& key) const;

 private:
  void remove_oldest() const;

  std::string directory_;
};

}  // namespace sluice
