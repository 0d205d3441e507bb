#pragma once

// The patterns of a policy and a scratch for each worker: what a snapshot carries so that workers
// can look at first bytes. Made off the packet path, shared by all snapshots whose signatures are
// the same, freed with the last of them.
//
// Threads: immutable but for scratch(i), which belongs to the thread of worker i. A worker uses it
// within its turn only, so it does not matter that several snapshots share it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "lookup/l7_patterns.h"

namespace sluice {

class L7Tools {
 public:
  // `signature_numbers`: what each signature of the patterns is called by, whatever policies come;
  // below 65,535.
  static Result<std::shared_ptr<const L7Tools>> create(
      std::shared_ptr<const L7Patterns> patterns, std::size_t workers,
      std::vector<std::uint16_t> signature_numbers = {}) {
    std::shared_ptr<L7Tools> tools(new L7Tools(std::move(patterns)));
    tools->signature_numbers_ = std::move(signature_numbers);
    for (std::size_t i = 0; i < workers; ++i) {
      Result<std::unique_ptr<L7Scratch>> scratch = L7Scratch::create(*tools->patterns_);
      if (!scratch) return scratch.error();
      tools->scratches_.push_back(*std::move(scratch));
    }
    return std::shared_ptr<const L7Tools>(std::move(tools));
  }

  const L7Patterns& patterns() const { return *patterns_; }
  std::uint16_t signature_number(std::uint32_t place) const { return signature_numbers_[place]; }
  // Null for a worker that there were no scratches for.
  L7Scratch* scratch(WorkerIndex worker) const {
    return worker.value() < scratches_.size() ? scratches_[worker.value()].get() : nullptr;
  }

 private:
  explicit L7Tools(std::shared_ptr<const L7Patterns> patterns) : patterns_(std::move(patterns)) {}

  std::shared_ptr<const L7Patterns> patterns_;
  std::vector<std::unique_ptr<L7Scratch>> scratches_;  // by WorkerIndex
  std::vector<std::uint16_t> signature_numbers_;
};

}  // namespace sluice
