#include "control/flowlog/sink_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice {

namespace {

constexpr std::chrono::minutes kTellEvery{1};

std::string numbered(const std::string& path, unsigned number) {
  return path + "." + std::to_string(number);
}

// A line that another process left half written (a crash, a full disk) must not swallow our first.
bool ends_in_half_a_line(int descriptor, std::uint64_t size) {
  char last = '\n';
  if (size == 0) return false;
  return ::pread(descriptor, &last, 1, static_cast<off_t>(size - 1)) == 1 && last != '\n';
}

}  // namespace

FileSink::~FileSink() { close(); }

void FileSink::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::size_t FileSink::write(std::string_view lines) {
  if (lines.empty() || !make_ready(lines.size())) return 0;
  return append(lines);
}

bool FileSink::make_ready(std::size_t size) {
  if (descriptor_ >= 0 && was_moved()) close();
  const bool is_full = descriptor_ >= 0 && is_regular_ && config_.rotate_size != 0 && size_ != 0 &&
                       size_ + size > config_.rotate_size;
  if (is_full) rotate();
  if (descriptor_ >= 0) return true;
  if (std::chrono::steady_clock::now() < retry_at_) return false;
  return open();
}

bool FileSink::open() {
  // Never waits: a pipe that nobody reads is a failure like a full disk, and must hold up neither
  // the other logs nor the stop.
  descriptor_ =
      ::open(config_.path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  struct stat status = {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
    fail("open", errno);
    return false;
  }
  is_regular_ = S_ISREG(status.st_mode);
  size_ = is_regular_ ? static_cast<std::uint64_t>(status.st_size) : 0;
  std::string first = is_regular_ && ends_in_half_a_line(descriptor_, size_) ? "\n" : "";
  if (size_ == 0) first += config_.header;
  return first.empty() || append(first) == first.size();
}

bool FileSink::was_moved() const {
  struct stat there = {};
  struct stat ours = {};
  if (::fstat(descriptor_, &ours) != 0 || ::stat(config_.path.c_str(), &there) != 0) return true;
  return there.st_dev != ours.st_dev || there.st_ino != ours.st_ino;
}

void FileSink::rotate() {
  if (config_.rotate_keep == 0) {
    ::unlink(config_.path.c_str());
  } else {
    for (unsigned number = config_.rotate_keep; number > 1; --number) {
      std::rename(numbered(config_.path, number - 1).c_str(),
                  numbered(config_.path, number).c_str());
    }
    std::rename(config_.path.c_str(), numbered(config_.path, 1).c_str());
  }
  // Where the file could not be put aside it is opened again and goes on growing: losing records
  // would be worse than a file that is too long.
  close();
}

std::size_t FileSink::append(std::string_view lines) {
  std::size_t written = 0;
  while (written < lines.size()) {
    const ssize_t count = ::write(descriptor_, lines.data() + written, lines.size() - written);
    if (count > 0) {
      written += static_cast<std::size_t>(count);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    const int error = count < 0 ? errno : ENOSPC;
    const std::size_t line_end = lines.substr(0, written).rfind('\n');
    const std::size_t kept = line_end == std::string_view::npos ? 0 : line_end + 1;
    const bool is_cut = kept == written || !is_regular_ ||
                        ::ftruncate(descriptor_, static_cast<off_t>(size_ + kept)) == 0;
    size_ += kept;
    fail(is_cut ? "write" : "write (and cut back)", error);
    return kept;
  }
  size_ += written;
  return written;
}

void FileSink::fail(std::string_view action, int error) {
  close();
  ++failures_;
  const auto now = std::chrono::steady_clock::now();
  retry_at_ = now + config_.retry_after;
  if (failures_ > 1 && now - told_at_ < kTellEvery) return;
  told_at_ = now;
  std::fprintf(stderr, "flow log %s: %.*s failed: %s; records are lost until it works again\n",
               config_.path.c_str(), static_cast<int>(action.size()), action.data(),
               std::strerror(error));
}

}  // namespace sluice
