#pragma once

// Which of these rules names this port? Up to 16 port ranges side by side in one cache line.
//
//   +-- low[16] : 32 bytes --+-- high[16] : 32 bytes --+      rules[16] (apart, read on a hit)
//   | 443  8000  ...  65535  | 443  8080  ...      0   |      7  12  ...
//   +------------------------+-------------------------+
//
// All 16 are compared at once; an unused lane has low > high and holds nothing. Lanes lie in the
// order of rule slots, which is the order of rule ids, so the first lane that holds the port names
// the rule with the smallest id. More than 16 ranges: further lines, in the same order. ICMP type
// and code are the number type << 8 | code, so they use the same lines: a type with any code is a
// range (SG-14). Lines with the same ranges are stored once, whichever rules they stand for.
//
// Threads: immutable once the builder is done; any thread reads.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <type_traits>
#include <vector>

#include "base/cache_line.h"

namespace sluice {

// A rule inside one snapshot: its rank in the order of rule ids as text, so the smaller slot is
// the smaller id.
using RuleSlot = std::uint32_t;
inline constexpr RuleSlot kNoRule = 0xffffffffu;

// An inclusive range of ports, or of type << 8 | code.
struct PortRange {
  std::uint16_t low = 0;
  std::uint16_t high = 65535;

  constexpr bool contains(std::uint16_t port) const { return low <= port && port <= high; }
  constexpr bool is_everything() const { return low == 0 && high == 65535; }
  constexpr auto operator<=>(const PortRange&) const = default;
};

struct alignas(kCacheLine) PortLine {
  static constexpr std::size_t kLanes = 16;
  std::array<std::uint16_t, kLanes> low;
  std::array<std::uint16_t, kLanes> high;

  // Bit i is set if lane i holds the port. No branch: two vector compares.
  std::uint32_t lanes_with(std::uint16_t port) const {
    // Words of all ones or none first, which compilers turn into vector compares.
    std::array<std::uint16_t, kLanes> hit;
    for (std::size_t i = 0; i < kLanes; ++i) {
      hit[i] = static_cast<std::uint16_t>(-((low[i] <= port) & (port <= high[i]))) &
               static_cast<std::uint16_t>(1u << i);
    }
    std::uint16_t mask = 0;
    for (std::size_t i = 0; i < kLanes; ++i) mask = static_cast<std::uint16_t>(mask | hit[i]);
    return mask;
  }
  constexpr auto operator<=>(const PortLine&) const = default;
};
static_assert(sizeof(PortLine) == kCacheLine);
static_assert(std::is_trivially_copyable_v<PortLine>);

// The number of a set in its PortSets.
using PortSetIndex = std::uint32_t;
inline constexpr PortSetIndex kNoPortSet = 0xffffffffu;

// A range and the rule that names it.
struct PortRule {
  RuleSlot rule = kNoRule;
  PortRange range;
};

// All port sets of a snapshot.
class PortSets {
 public:
  // Builder: a new set. `rules` must ascend by slot and not be empty.
  PortSetIndex add(std::span<const PortRule> rules);
  // Builder: done; forgets what only add() needs.
  void seal();

  // The smallest slot whose range holds the port, or kNoRule. One line for each 16 rules.
  RuleSlot first_match(PortSetIndex index, std::uint16_t port) const {
    for (; index != kNoPortSet; index = links_[index].next) {
      const std::uint32_t lanes = lines_[links_[index].line].lanes_with(port);
      if (lanes != 0) {
        return rules_[links_[index].rules + static_cast<std::uint32_t>(std::countr_zero(lanes))];
      }
    }
    return kNoRule;
  }

  // Calls visit(RuleSlot) for every rule whose range holds the port, ascending.
  template <class Visit>
  void for_each_match(PortSetIndex index, std::uint16_t port, Visit&& visit) const {
    for (; index != kNoPortSet; index = links_[index].next) {
      std::uint32_t lanes = lines_[links_[index].line].lanes_with(port);
      for (; lanes != 0; lanes &= lanes - 1) {
        visit(rules_[links_[index].rules + static_cast<std::uint32_t>(std::countr_zero(lanes))]);
      }
    }
  }

  std::size_t line_count() const { return lines_.size(); }
  // Memory held, in bytes.
  std::size_t size() const;

 private:
  // One line of a set: its ranges (shared), the rules of its lanes (its own), the next line.
  struct Link {
    std::uint32_t line = 0;
    std::uint32_t rules = 0;
    PortSetIndex next = kNoPortSet;
  };
  std::vector<PortLine> lines_;
  std::vector<Link> links_;
  std::vector<RuleSlot> rules_;
  std::map<PortLine, std::uint32_t> known_lines_;  // only while building
};

}  // namespace sluice
