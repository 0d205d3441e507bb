#include "control/compile/interface_digest.h"

#include <functional>

namespace sluice {

namespace {

// Mixes all bits (the finalizer of SplitMix64).
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// A digest whose parts have an order.
class Chain {
 public:
  Chain& add(std::uint64_t part) {
    value_ = mix(value_ ^ mix(part));
    return *this;
  }
  Chain& add(const IpAddr& address) {
    return add(static_cast<std::uint64_t>(address.family())).add(address.high()).add(address.low());
  }
  Chain& add(const Cidr& cidr) { return add(cidr.address()).add(std::uint64_t{cidr.length()}); }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

// Sums of mixed digests stand for sets: their order does not matter.
std::uint64_t digest_of(const std::vector<Cidr>& cidrs) {
  std::uint64_t sum = 0;
  for (const Cidr& cidr : cidrs) sum += Chain().add(cidr).value();
  return sum;
}

std::uint64_t digest_of(const std::vector<AclEntryInput>& entries) {
  std::uint64_t sum = 0;
  for (const AclEntryInput& entry : entries) {
    sum += Chain()
               .add(entry.rule)
               .add(entry.allow ? 1u : 0u)
               .add(static_cast<std::uint64_t>(entry.proto.number))
               .add(static_cast<std::uint64_t>(entry.ports.low))
               .add(static_cast<std::uint64_t>(entry.ports.high))
               .add(entry.cidr)
               .value();
  }
  return sum;
}

template <class Index>
std::uint64_t find_or_zero(const std::unordered_map<Index, std::uint64_t>& map, Index index) {
  const auto place = map.find(index);
  return place == map.end() ? 0 : place->second;
}

// All that it has: single addresses and delegated prefixes (SG-28).
std::uint64_t digest_addresses(const InterfaceInput& eni) {
  std::uint64_t sum = 0;
  for (const IpAddr& address : eni.addresses) sum += Chain().add(address).value();
  for (const Cidr& cidr : eni.prefixes) sum += Chain().add(cidr).value();
  return sum;
}

// Who holds each group: a rule that names it admits their addresses (SG-27).
std::unordered_map<GroupIndex, std::uint64_t> digest_members(const SnapshotInput& input) {
  std::unordered_map<GroupIndex, std::uint64_t> members;
  for (const InterfaceInput& eni : input.interfaces) {
    const std::uint64_t sum = digest_addresses(eni);
    for (const GroupIndex group : eni.groups) members[group] += sum;
  }
  return members;
}

// Its blocks tell which addresses are its own to route, so whose groups a reference means; the
// first IPv4 one also where the resolver is that is exempt.
std::uint64_t digest_vpc(const VpcInput& vpc, ExemptProfile exempt) {
  std::uint64_t peers = 0;
  for (const VpcIndex peer : vpc.peers) peers += Chain().add(peer.value()).value();
  Chain chain;
  chain.add(vpc.index.value()).add(digest_of(vpc.cidrs)).add(peers);
  if (exempt == ExemptProfile::None) return chain.value();
  for (const Cidr& cidr : vpc.cidrs) {
    if (cidr.family() == Family::Ipv4) return chain.add(cidr).value();
  }
  return chain.add(1u).value();
}

}  // namespace

InterfaceDigests::InterfaceDigests(const SnapshotInput& input) {
  const auto members = digest_members(input);
  std::unordered_map<PrefixListIndex, std::uint64_t> lists;
  for (const PrefixListInput& list : input.prefix_lists) {
    lists[list.index] = digest_of(list.entries);
  }
  for (const GroupInput& group : input.groups) {
    std::uint64_t sum = 0;
    for (const RuleInput& rule : group.rules) {
      Chain chain;
      chain.add(rule.index.value());  // one number for each canonical text
      if (const auto* list = std::get_if<PrefixListIndex>(&rule.peer)) {
        chain.add(find_or_zero(lists, *list));
      } else if (const auto* peer = std::get_if<GroupIndex>(&rule.peer)) {
        chain.add(find_or_zero(members, *peer));
      }
      sum += chain.value();
    }
    groups_[group.index] = sum;
  }
  std::unordered_map<AclIndex, std::uint64_t> acls;
  for (const AclInput& acl : input.acls) {
    acls[acl.index] = Chain().add(digest_of(acl.ingress)).add(digest_of(acl.egress)).value();
  }
  for (const SubnetInput& subnet : input.subnets) {
    subnets_[subnet.index] = Chain()
                                 .add(digest_of(subnet.cidrs))
                                 .add(subnet.acl.is_none() ? 0 : find_or_zero(acls, subnet.acl))
                                 .add(subnet.acl.is_none() ? 0u : 1u)
                                 .value();
  }
  for (const VpcInput& vpc : input.vpcs) vpcs_[vpc.index] = digest_vpc(vpc, input.exempt);
}

std::uint64_t InterfaceDigests::of(const InterfaceInput& eni) const {
  std::uint64_t rules = 0;
  for (const GroupIndex group : eni.groups) rules += find_or_zero(groups_, group);
  return Chain()
      .add(rules)
      .add(digest_addresses(eni))
      .add(find_or_zero(subnets_, eni.subnet))
      .add(find_or_zero(vpcs_, eni.vpc))
      .value();
}

}  // namespace sluice
