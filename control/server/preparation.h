#pragma once

// The patterns of a policy that somebody wants applied, compiled by a thread of their own:
// thousands of signatures take tens of seconds, in which the control thread answers others. What
// was compiled lies ready when the request is handled then, in the same way as any other; where
// this guessed wrong the request takes longer, and nothing else.
//
// Made and asked by the control thread. The thread reads its own copies and what build_patterns
// guards.

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace sluice {

class Preparation {
 public:
  // For a request as it came, with the descriptor that came along (stays the caller's) or -1. Null
  // where nothing is to be compiled first, as far as a glance tells. `pattern_directory`: where
  // compiled patterns are kept.
  static std::unique_ptr<Preparation> begin(const std::string& line, int descriptor,
                                            const std::string& pattern_directory);
  // Waits for the thread: Hyperscan cannot be interrupted.
  ~Preparation();
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  bool is_done() const { return is_done_.load(std::memory_order_acquire); }

 private:
  Preparation() = default;

  std::atomic<bool> is_done_{false};  // set by the thread when it ends; pairs with is_done()
  std::thread thread_;
};

}  // namespace sluice
