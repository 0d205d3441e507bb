#pragma once

// The slow, obvious twin of TimerWheel: a list of (when, who).

#include <cstdint>
#include <map>
#include <vector>

namespace sluice {

class SlowTimerList {
 public:
  void arm(std::uint32_t entry, std::uint64_t due_ms) { due_[entry] = due_ms; }
  void disarm(std::uint32_t entry) { due_.erase(entry); }
  bool is_armed(std::uint32_t entry) const { return due_.contains(entry); }
  std::uint64_t due_ms(std::uint32_t entry) const { return due_.at(entry); }
  std::vector<std::uint32_t> due_at(std::uint64_t now_ms) const {
    std::vector<std::uint32_t> result;
    for (const auto& [entry, due] : due_) {
      if (due <= now_ms) result.push_back(entry);
    }
    return result;
  }
  std::size_t size() const { return due_.size(); }

 private:
  std::map<std::uint32_t, std::uint64_t> due_;
};

}  // namespace sluice
