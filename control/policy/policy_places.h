#pragma once

// Where the things of a policy stand in its lists, by name. Owns the names, so that it outlives
// changes of the things themselves; what comes or goes makes it stale.

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/policy/policy.h"

namespace sluice {

class PolicyPlaces {
 public:
  // Cost: proportional to the number of things. Names are unique (check_policy.h).
  explicit PolicyPlaces(const Policy& policy)
      : subnets_(places_of(policy.subnets)),
        prefix_lists_(places_of(policy.prefix_lists)),
        groups_(places_of(policy.groups)),
        interfaces_(places_of(policy.interfaces)) {}

  std::optional<std::size_t> subnet(const std::string& id) const { return find(subnets_, id); }
  std::optional<std::size_t> prefix_list(const std::string& id) const {
    return find(prefix_lists_, id);
  }
  std::optional<std::size_t> group(const std::string& id) const { return find(groups_, id); }
  std::optional<std::size_t> interface(const std::string& id) const {
    return find(interfaces_, id);
  }

 private:
  using Places = std::unordered_map<std::string, std::size_t>;

  template <class Thing>
  static Places places_of(const std::vector<Thing>& things) {
    Places places;
    places.reserve(things.size());
    for (std::size_t i = 0; i < things.size(); ++i) places.try_emplace(things[i].id, i);
    return places;
  }
  static std::optional<std::size_t> find(const Places& places, const std::string& id) {
    const auto place = places.find(id);
    if (place == places.end()) return std::nullopt;
    return place->second;
  }

  Places subnets_;
  Places prefix_lists_;
  Places groups_;
  Places interfaces_;
};

}  // namespace sluice
