#pragma once

// Takes the place of DPDK's log output while it lives and keeps the last lines, for errors.
//
// Threads: DPDK writes from any thread; readers from any.

#include <cstddef>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace sluice {

class DpdkLog {
 public:
  static constexpr std::size_t kLinesMax = 16;

  // Warnings and worse are kept.
  DpdkLog();
  ~DpdkLog();
  DpdkLog(const DpdkLog&) = delete;
  DpdkLog& operator=(const DpdkLog&) = delete;

  void forget();
  // The lines kept, joined by "; ".
  std::string text() const;

 private:
  static ssize_t write(void* log, const char* bytes, std::size_t size);
  void append(std::string_view text);

  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
  std::string unfinished_;
  std::FILE* stream_ = nullptr;
};

}  // namespace sluice
