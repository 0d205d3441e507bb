#include "flowtable/flow_names.h"

#include <algorithm>
#include <bit>

namespace sluice {

FlowNames::FlowNames(std::size_t capacity)
    : set_count_(std::bit_ceil(std::max<std::size_t>(1, (capacity + kWays - 1) / kWays))),
      sets_(set_count_ * sizeof(Set), false),
      places_(set_count_ * kWays * sizeof(Place), false) {}

std::size_t FlowNames::Set::way_of(const void* key) const {
  const auto place = std::find(keys.begin(), keys.end(), key);
  return static_cast<std::size_t>(place - keys.begin());
}

std::size_t FlowNames::number_of(const void* key) const {
  const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(key));
  return (address * 0x9e3779b97f4a7c15u >> 32) & (set_count_ - 1);
}

// A way that is nobody's, else that of the one put there first.
std::size_t FlowNames::place_for_one_more(const Set& own) const {
  const std::size_t free = own.way_of(nullptr);
  if (free != kWays) return free;
  std::size_t oldest = 0;
  for (std::size_t way = 1; way < kWays; ++way) {
    if (births_ - own.born[way] > births_ - own.born[oldest]) oldest = way;
  }
  return oldest;
}

FlowFacts& FlowNames::remember(const void* key) {
  const std::size_t number = number_of(key);
  Set& own = set(number);
  std::size_t way = own.way_of(key);
  if (way == kWays) {
    way = place_for_one_more(own);
    if (own.keys[way] == nullptr) ++size_;
    own.keys[way] = key;
    facts(number, way).clear();
  }
  own.born[way] = births_++;
  return facts(number, way);
}

const FlowFacts* FlowNames::find(const void* key) const {
  const std::size_t number = number_of(key);
  const std::size_t way = set(number).way_of(key);
  return way == kWays ? nullptr : &facts(number, way);
}

void FlowNames::erase(const void* key) {
  Set& own = set(number_of(key));
  const std::size_t way = own.way_of(key);
  if (way == kWays) return;
  own.keys[way] = nullptr;
  --size_;
}

}  // namespace sluice
