#pragma once

// Lines appended to a file that is put aside when it has grown too big.
//
// PATH becomes PATH.1, PATH.1 becomes PATH.2, and so on; as many as `rotate_keep` are kept. A file
// that somebody moved or removed is noticed before the next block and opened anew, so logrotate
// may be used as well. After a write error (disk full, I/O error) what was written of a line is
// cut off again, the file is closed, and nothing is tried for a second: blocks are lost meanwhile,
// which the caller counts. The same
// befalls a pipe that nobody empties: no write ever waits. Failures are told on stderr, at most one
// a minute. Export thread.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "control/flowlog/sink.h"

namespace sluice {

struct FileSinkConfig {
  std::string path;
  std::string header;             // first line of each file, newline and all; empty: none
  std::uint64_t rotate_size = 0;  // bytes; 0: never
  unsigned rotate_keep = 0;
  std::chrono::milliseconds retry_after{1000};

  bool operator==(const FileSinkConfig&) const = default;
};

class FileSink final : public Sink {
 public:
  // Opens nothing yet: the file is made at the first write.
  explicit FileSink(FileSinkConfig config) : config_(std::move(config)) {}
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  std::size_t write(std::string_view lines) override;
  const FileSinkConfig& config() const { return config_; }
  // Writes that failed, since the start.
  std::uint64_t failures() const { return failures_; }

 private:
  bool make_ready(std::size_t size);
  bool open();
  void close();
  // True if the path names another file than the one that is open, or none.
  bool was_moved() const;
  void rotate();
  // Bytes kept, ending with a whole line.
  std::size_t append(std::string_view lines);
  // Closes after a failed `action` and tells about it.
  void fail(std::string_view action, int error);

  FileSinkConfig config_;
  int descriptor_ = -1;
  bool is_regular_ = false;
  std::uint64_t size_ = 0;
  std::uint64_t failures_ = 0;
  std::chrono::steady_clock::time_point retry_at_{};
  std::chrono::steady_clock::time_point told_at_{};
};

}  // namespace sluice
