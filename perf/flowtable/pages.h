#pragma once

// What memory the tables of a bench lie in, and how much of it may be taken.

#include <sys/prctl.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include "base/check.h"

namespace sluice {

enum class Pages : std::uint8_t {
  Huge,   // transparent ones of 2 MiB, where the system gives them
  Small,  // of 4 KiB
};

// While it lives, no huge page is given to what is touched anew.
class PagesWhile {
 public:
  explicit PagesWhile(Pages pages) { forbid_huge(pages == Pages::Small); }
  ~PagesWhile() { forbid_huge(false); }
  PagesWhile(const PagesWhile&) = delete;
  PagesWhile& operator=(const PagesWhile&) = delete;

 private:
  static void forbid_huge(bool is_forbidden) {
    CHECK(::prctl(PR_SET_THP_DISABLE, is_forbidden ? 1 : 0, 0, 0, 0) == 0);
  }
};

// A line "NAME: N kB" of such a file, in bytes; 0 if there is none.
inline std::uint64_t bytes_in(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word != name + ":") {
      file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
      continue;
    }
    std::uint64_t kib = 0;
    return file >> kib ? kib << 10 : 0;
  }
  return 0;
}

// What the system has given this process.
struct TakenMemory {
  std::uint64_t all = bytes_in("/proc/self/smaps_rollup", "Rss");
  std::uint64_t huge = bytes_in("/proc/self/smaps_rollup", "AnonHugePages");

  TakenMemory since(const TakenMemory& before) const {
    TakenMemory result = *this;
    result.all -= before.all;
    result.huge -= before.huge;
    return result;
  }
};

// What the system could give to new programs now.
inline std::uint64_t free_memory() { return bytes_in("/proc/meminfo", "MemAvailable"); }

// How many flows of so many bytes half of the free memory holds, of a few round counts; 0: not
// even the least of them.
inline std::uint32_t most_flows(std::uint64_t bytes_per_flow) {
  const std::uint64_t half = free_memory() / 2;
  for (const std::uint32_t millions : {100u, 80u, 64u, 48u, 32u, 24u, 16u}) {
    if (std::uint64_t{millions} * 1'000'000 * bytes_per_flow <= half) return millions * 1'000'000;
  }
  return 0;
}

}  // namespace sluice
