#include "flowtable/flow_names.h"

#include <algorithm>
#include <bit>

namespace sluice {

FlowNames::FlowNames(std::size_t capacity)
    : sets_(std::bit_ceil(std::max<std::size_t>(1, (capacity + kWays - 1) / kWays))),
      memory_(sets_ * kWays * sizeof(Fact), false) {}

FlowNames::Fact* FlowNames::set_of(const void* key) const {
  const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(key));
  return memory_.as<Fact>() + ((address * 0x9e3779b97f4a7c15u >> 32) & (sets_ - 1)) * kWays;
}

FlowFacts& FlowNames::remember(const void* key) {
  Fact* set = set_of(key);
  Fact* place = nullptr;
  for (Fact* fact = set; fact != set + kWays; ++fact) {
    if (fact->key == key) {
      place = fact;
      break;
    }
    const bool is_better = place == nullptr ||
                           (place->key != nullptr &&
                            (fact->key == nullptr || births_ - fact->born > births_ - place->born));
    if (is_better) place = fact;
  }
  if (place->key == nullptr) ++size_;
  if (place->key != key) place->facts = FlowFacts{};
  place->key = key;
  place->born = births_++;
  return place->facts;
}

const FlowFacts* FlowNames::find(const void* key) const {
  const Fact* set = set_of(key);
  const auto is_it = [key](const Fact& fact) { return fact.key == key; };
  const Fact* place = std::find_if(set, set + kWays, is_it);
  return place == set + kWays ? nullptr : &place->facts;
}

void FlowNames::erase(const void* key) {
  Fact* set = set_of(key);
  for (Fact* fact = set; fact != set + kWays; ++fact) {
    if (fact->key != key) continue;
    fact->key = nullptr;
    --size_;
  }
}

}  // namespace sluice
