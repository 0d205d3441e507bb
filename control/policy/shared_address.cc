#include "control/policy/shared_address.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

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

// What an interface has: an address, or a delegated prefix (SG-28).
struct Block {
  Cidr cidr;
  Owner owner;
};

std::string sentence_of(const Owner& a, const Owner& b, const std::string& shared,
                        const std::string& file) {
  return "interfaces " + placed(a, file) + " and " + placed(b, file) + " share the " + shared;
}

// Blocks are nested or apart: after sorting, a look at the last one that is in no other.
std::string describe_overlap(std::vector<Block>& blocks, const std::string& file) {
  std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) {
    const auto order = [](const Block& block) {
      return std::make_tuple(block.cidr.family(), block.cidr, block.owner.at);
    };
    return order(a) < order(b);
  });
  const Block* outer = nullptr;
  for (const Block& block : blocks) {
    if (outer == nullptr || !outer->cidr.contains(block.cidr)) {
      outer = &block;
    } else if (outer->owner.eni != block.owner.eni) {
      return sentence_of(outer->owner, block.owner, "addresses of " + block.cidr.to_string(), file);
    }
  }
  return "";
}

}  // namespace

std::string describe_shared_address(const Policy& policy, const std::string& file,
                                    std::span<const std::string> vpcs) {
  std::unordered_map<std::string_view, std::string_view> vpc_of_subnet;
  for (const Subnet& subnet : policy.subnets) vpc_of_subnet.emplace(subnet.id, subnet.vpc);
  std::unordered_map<IpAddr, Owner> owners;
  std::vector<Block> prefixes;
  for (const Eni& eni : policy.interfaces) {
    const std::string_view vpc = vpc_of_subnet[eni.subnet];
    if (!vpcs.empty() && std::find(vpcs.begin(), vpcs.end(), vpc) == vpcs.end()) continue;
    for (const EniAddress& each : eni.addresses) {
      const Owner owner{&eni, each.at};
      const auto [place, is_new] = owners.try_emplace(each.address, owner);
      if (is_new) continue;
      return sentence_of(place->second, owner, "address " + each.address.to_string(), file);
    }
    for (const EniPrefix& each : eni.prefixes) prefixes.push_back({each.cidr, {&eni, each.at}});
  }
  if (prefixes.empty()) return "";
  for (const auto& [address, owner] : owners) prefixes.push_back({Cidr::host(address), owner});
  return describe_overlap(prefixes, file);
}

}  // namespace sluice
