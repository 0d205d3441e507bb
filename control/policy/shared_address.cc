#include "control/policy/shared_address.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "control/policy/finding.h"

namespace sluice {

namespace {

struct Owner {
  const Eni* eni;
  Position at;
};

std::string placed(const Owner& owner, const std::string& file) {
  return "'" + owner.eni->id + "' at " + Findings(file).place(owner.at);
}

}  // namespace

std::string describe_shared_address(const Policy& policy, const std::string& file,
                                    std::span<const std::string> vpcs) {
  std::unordered_map<std::string_view, std::string_view> vpc_of_subnet;
  for (const Subnet& subnet : policy.subnets) vpc_of_subnet.emplace(subnet.id, subnet.vpc);
  std::unordered_map<IpAddr, Owner> owners;
  for (const Eni& eni : policy.interfaces) {
    const std::string_view vpc = vpc_of_subnet[eni.subnet];
    if (!vpcs.empty() && std::find(vpcs.begin(), vpcs.end(), vpc) == vpcs.end()) continue;
    for (const EniAddress& each : eni.addresses) {
      const Owner owner{&eni, each.at};
      const auto [place, is_new] = owners.try_emplace(each.address, owner);
      if (is_new) continue;
      return "interfaces " + placed(place->second, file) + " and " + placed(owner, file) +
             " share the address " + each.address.to_string();
    }
  }
  return "";
}

}  // namespace sluice
