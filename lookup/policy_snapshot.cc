#include "lookup/policy_snapshot.h"

#include <algorithm>

#include "lookup/l7_tools.h"
#include "lookup/snapshot_tables.h"

namespace sluice {

namespace {

// The interface among those that share the address which lies in the VPC.
EniIndex owner_in(const SnapshotTables& tables, VpcIndex vpc, const IpAddr& address) {
  const FamilyClasses& classes = tables.classes.of(address.family());
  if (!classes.owned_blocks().may_hold(address)) return EniIndex();
  // The longest match of an owned address is that address; other prefixes have no owners.
  const PrefixId id = classes.trie().find(address);
  EniIndex found;
  classes.for_each_owner_of(address, id, [&](EniIndex eni) {
    if (tables.interfaces[eni.value()].vpc == vpc) found = eni;
  });
  return found;
}

}  // namespace

PolicySnapshot::PolicySnapshot(std::unique_ptr<const SnapshotTables> tables)
    : tables_(std::move(tables)),
      generation_(tables_->generation),
      tracking_(tables_->tracking),
      exempt_(tables_->exempt),
      has_signatures_(tables_->tools != nullptr && tables_->tools->patterns().has_signatures()),
      interfaces_(tables_->interfaces) {}

PolicySnapshot::~PolicySnapshot() = default;

std::size_t PolicySnapshot::interface_count() const { return tables_->interface_count; }

const InterfaceRow* PolicySnapshot::next_interface(EniIndex from) const {
  for (std::uint32_t eni = from.value(); eni < tables_->interfaces.size(); ++eni) {
    const InterfaceRow* row = find_interface(EniIndex(eni));
    if (row != nullptr) return row;
  }
  return nullptr;
}

EniIndex PolicySnapshot::owner_of(VpcIndex vpc, const IpAddr& address) const {
  return owner_in(*tables_, vpc, address);
}

EniIndex PolicySnapshot::owner_of(const IpAddr& address) const {
  const FamilyClasses& classes = tables_->classes.of(address.family());
  if (!classes.owned_blocks().may_hold(address)) return EniIndex();
  EniIndex found;
  bool has_many = false;
  classes.for_each_owner_of(address, classes.trie().find(address), [&](EniIndex eni) {
    has_many = has_many || !found.is_none();
    found = eni;
  });
  return has_many ? EniIndex() : found;
}

const AddressBlocks& PolicySnapshot::inside_blocks(Family family) const {
  return family == Family::Ipv4 ? tables_->inside_v4 : tables_->inside_v6;
}

const AddressBlocks& PolicySnapshot::owned_blocks(Family family) const {
  return tables_->classes.of(family).owned_blocks();
}

bool PolicySnapshot::may_share_addresses() const {
  const auto may_share = [](const FamilyClasses& classes) {
    return classes.shared_address_count() != 0 || classes.delegated().prefix_count() != 0;
  };
  return may_share(tables_->classes.v4) || may_share(tables_->classes.v6);
}

bool PolicySnapshot::vpc_contains(VpcIndex vpc, const IpAddr& address) const {
  const VpcRow* row = find_row(tables_->vpcs, vpc);
  return row != nullptr && row->contains(address);
}

bool PolicySnapshot::is_broadcast_of(SubnetIndex subnet, const IpAddr& address) const {
  const SubnetRow* row = find_row(tables_->subnets, subnet);
  if (!address.is_v4() || row == nullptr) return false;
  for (const Cidr& cidr : row->cidrs) {
    if (cidr.family() != Family::Ipv4 || cidr.length() > 30) continue;
    const std::uint32_t hosts = 0xffffffffu >> cidr.length();
    if (address.v4_value() == (cidr.address().v4_value() | hosts)) return true;
  }
  return false;
}

bool PolicySnapshot::list_holds(PrefixListIndex list, const Cidr& cidr) const {
  const FamilyClasses& classes = tables_->classes.of(cidr.family());
  const PrefixId id = classes.trie().find_exact(cidr);
  if (id == kNoPrefix) return false;
  bool is_held = false;
  classes.for_each_list(classes.facts(id),
                        [&](PrefixListIndex holder) { is_held = is_held || holder == list; });
  return is_held;
}

std::span<const VpcIndex> PolicySnapshot::peers_of(VpcIndex vpc) const {
  const VpcRow* row = find_row(tables_->vpcs, vpc);
  if (row == nullptr) return {};
  return row->peers;
}

const Layer7Settings& PolicySnapshot::layer7() const { return tables_->layer7; }

const L7Tools* PolicySnapshot::tools() const { return tables_->tools.get(); }

std::size_t PolicySnapshot::size() const { return sizeof *this + tables_->size(); }

}  // namespace sluice
