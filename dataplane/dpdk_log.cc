#include "dataplane/dpdk_log.h"

#include <rte_log.h>

#include "base/check.h"

namespace sluice {

DpdkLog::DpdkLog() {
  cookie_io_functions_t functions{};
  functions.write = &DpdkLog::write;
  stream_ = fopencookie(this, "w", functions);
  CHECK(stream_ != nullptr);
  std::setvbuf(stream_, nullptr, _IOLBF, 0);
  rte_openlog_stream(stream_);
  rte_log_set_global_level(RTE_LOG_WARNING);
}

DpdkLog::~DpdkLog() {
  rte_openlog_stream(stderr);
  std::fclose(stream_);
}

void DpdkLog::forget() {
  const std::lock_guard lock(mutex_);
  lines_.clear();
  unfinished_.clear();
}

std::string DpdkLog::text() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const std::string& line : lines_) {
    if (!text.empty()) text += "; ";
    text += line;
  }
  return text;
}

ssize_t DpdkLog::write(void* log, const char* bytes, std::size_t size) {
  static_cast<DpdkLog*>(log)->append({bytes, size});
  return static_cast<ssize_t>(size);
}

void DpdkLog::append(std::string_view text) {
  const std::lock_guard lock(mutex_);
  for (char letter : text) {
    if (letter != '\n') {
      if (letter >= ' ') unfinished_ += letter;
      continue;
    }
    if (!unfinished_.empty()) lines_.push_back(std::move(unfinished_));
    unfinished_.clear();
    if (lines_.size() > kLinesMax) lines_.pop_front();
  }
}

}  // namespace sluice
