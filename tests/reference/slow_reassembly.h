#pragma once

// The slow, obvious twin of FragmentTable for one datagram: every byte has a mark. It knows no
// limits and no time, only shapes (CT-22, RFC 5722).

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "base/drop_reason.h"
#include "flowtable/fragment_table.h"

namespace sluice {

class SlowReassembly {
 public:
  // None if the piece may go on (or wait); else why it is dropped.
  DropReason add(const FragmentPiece& piece) {
    if (end_reason_ != DropReason::None) return end_reason_;
    const std::pair<std::uint32_t, std::uint32_t> range{piece.offset, piece.offset + piece.size};
    if (piece.last && ((has_last_ && range.second != total_) || range.second < highest())) {
      return end_reason_ = DropReason::FragmentMalformed;
    }
    if (has_last_ && range.second > total_) return end_reason_ = DropReason::FragmentMalformed;
    if (ranges_.contains(range)) return DropReason::FragmentDuplicate;
    if (seen_.size() < range.second) seen_.resize(range.second);
    for (std::uint32_t i = range.first; i < range.second; ++i) {
      if (seen_[i]) return end_reason_ = DropReason::FragmentOverlap;
    }
    for (std::uint32_t i = range.first; i < range.second; ++i) seen_[i] = true;
    ranges_.insert(range);
    if (piece.last) {
      has_last_ = true;
      total_ = range.second;
    }
    return DropReason::None;
  }
  bool is_whole() const {
    if (!has_last_) return false;
    for (std::uint32_t i = 0; i < total_; ++i) {
      if (!seen_[i]) return false;
    }
    return true;
  }

 private:
  std::uint32_t highest() const { return static_cast<std::uint32_t>(seen_.size()); }

  std::vector<bool> seen_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> ranges_;
  bool has_last_ = false;
  std::uint32_t total_ = 0;
  DropReason end_reason_ = DropReason::None;
};

}  // namespace sluice
