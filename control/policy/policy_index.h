#pragma once

// Finds the things of a policy by name. Borrows the policy: build it, use it, let it go.

#include <string_view>
#include <unordered_map>

#include "control/policy/policy.h"

namespace sluice {

// Where a name stands twice the first one counts. Nothing has an empty name.
class PolicyIndex {
 public:
  explicit PolicyIndex(const Policy& policy) {
    enter(policy.vpcs, vpcs_);
    enter(policy.subnets, subnets_);
    enter(policy.prefix_lists, prefix_lists_);
    enter(policy.groups, groups_);
    enter(policy.interfaces, interfaces_);
    enter(policy.acls, acls_);
  }

  // Null if there is none of that name.
  const Vpc* vpc(std::string_view id) const { return find(vpcs_, id); }
  const Subnet* subnet(std::string_view id) const { return find(subnets_, id); }
  const PrefixList* prefix_list(std::string_view id) const { return find(prefix_lists_, id); }
  const SecurityGroup* group(std::string_view id) const { return find(groups_, id); }
  const Eni* interface(std::string_view id) const { return find(interfaces_, id); }
  const NetworkAcl* acl(std::string_view id) const { return find(acls_, id); }

 private:
  template <class Thing>
  using Map = std::unordered_map<std::string_view, const Thing*>;

  template <class Thing>
  static void enter(const std::vector<Thing>& things, Map<Thing>& map) {
    map.reserve(things.size());
    for (const Thing& thing : things) {
      if (!thing.id.empty()) map.try_emplace(thing.id, &thing);
    }
  }
  template <class Thing>
  static const Thing* find(const Map<Thing>& map, std::string_view id) {
    const auto place = map.find(id);
    return place == map.end() ? nullptr : place->second;
  }

  Map<Vpc> vpcs_;
  Map<Subnet> subnets_;
  Map<PrefixList> prefix_lists_;
  Map<SecurityGroup> groups_;
  Map<Eni> interfaces_;
  Map<NetworkAcl> acls_;
};

}  // namespace sluice
