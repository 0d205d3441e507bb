#include "lookup/policy_snapshot.h"

#include <algorithm>

#include "base/check.h"
#include "lookup/snapshot_tables.h"

namespace sluice {

PolicySnapshot::PolicySnapshot(std::unique_ptr<const SnapshotTables> tables)
    : tables_(std::move(tables)) {
  CHECK(tables_ != nullptr);
}

PolicySnapshot::~PolicySnapshot() = default;

Generation PolicySnapshot::generation() const { return tables_->generation; }

const TrackingSettings& PolicySnapshot::tracking() const { return tables_->tracking; }

ExemptProfile PolicySnapshot::exempt() const { return tables_->exempt; }

const InterfaceRow* PolicySnapshot::find_interface(EniIndex eni) const {
  if (eni.value() >= tables_->row_of_eni.size()) return nullptr;
  const std::uint32_t row = tables_->row_of_eni[eni.value()];
  return row == kNoRow ? nullptr : &tables_->interfaces[row];
}

std::span<const InterfaceRow> PolicySnapshot::interfaces() const { return tables_->interfaces; }

EniIndex PolicySnapshot::owner_of(VpcIndex vpc, const IpAddr& address) const {
  const std::span<const AddressOwner> owners =
      tables_->classes.of(address.family()).owners_of(address);
  const auto place = std::lower_bound(
      owners.begin(), owners.end(), vpc,
      [](const AddressOwner& owner, VpcIndex wanted) { return owner.vpc < wanted; });
  return place != owners.end() && place->vpc == vpc ? place->eni : EniIndex();
}

EniIndex PolicySnapshot::owner_of(const IpAddr& address) const {
  const std::span<const AddressOwner> owners =
      tables_->classes.of(address.family()).owners_of(address);
  return owners.size() == 1 ? owners.front().eni : EniIndex();
}

bool PolicySnapshot::has_shared_addresses() const { return tables_->has_shared_addresses; }

bool PolicySnapshot::vpc_contains(VpcIndex vpc, const IpAddr& address) const {
  return vpc.value() < tables_->vpcs.size() && tables_->vpcs[vpc.value()].contains(address);
}

bool PolicySnapshot::is_broadcast_of(SubnetIndex subnet, const IpAddr& address) const {
  if (!address.is_v4() || subnet.value() >= tables_->subnets.size()) return false;
  for (const Cidr& cidr : tables_->subnets[subnet.value()].cidrs) {
    if (cidr.family() != Family::Ipv4 || cidr.length() > 30) continue;
    const std::uint32_t hosts = 0xffffffffu >> cidr.length();
    if (address.v4_value() == (cidr.address().v4_value() | hosts)) return true;
  }
  return false;
}

std::span<const VpcIndex> PolicySnapshot::peers_of(VpcIndex vpc) const {
  if (vpc.value() >= tables_->vpcs.size()) return {};
  return tables_->vpcs[vpc.value()].peers;
}

std::size_t PolicySnapshot::size() const {
  std::size_t total = sizeof *this + sizeof *tables_;
  total += tables_->interfaces.capacity() * sizeof(InterfaceRow);
  total += tables_->row_of_eni.capacity() * sizeof(std::uint32_t);
  total += tables_->rules.capacity() * sizeof(RuleRow);
  for (const VpcRow& vpc : tables_->vpcs) {
    total += sizeof vpc + vpc.cidrs.capacity() * sizeof(Cidr) +
             vpc.peers.capacity() * sizeof(VpcIndex) + vpc.resolvers.capacity() * sizeof(IpAddr);
  }
  for (const SubnetRow& subnet : tables_->subnets) {
    total += sizeof subnet + subnet.cidrs.capacity() * sizeof(Cidr) +
             subnet.routers.capacity() * sizeof(IpAddr);
  }
  for (const AclRow& acl : tables_->acls) {
    total += sizeof acl;
    for (const NaclLadder& ladder : acl.acl.ladders) total += ladder.size();
  }
  return total + tables_->classes.v4.size() + tables_->classes.v6.size() +
         tables_->group_rules.size();
}

}  // namespace sluice
