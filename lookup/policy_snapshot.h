#pragma once

// The compiled policy: immutable once sealed, read by every worker without a lock.
//
// What the data plane and control read of it is declared here; what lies inside is the business of
// lookup alone. A successor shares with it all that a change leaves alone (snapshot_builder.h), so
// keeping former ones, for undo or for judging by two at once, costs their differences. Lifetime:
// published under RCU, retired off the packet path.

#include <cstdint>
#include <memory>
#include <span>

#include "base/address.h"
#include "base/cidr.h"
#include "base/ids.h"
#include "lookup/address_blocks.h"
#include "lookup/persistent_array.h"
#include "lookup/snapshot_input.h"

namespace sluice {

struct SnapshotTables;  // lookup/snapshot_tables.h

// An interface as the packet path sees it. One row per EniIndex, immutable.
struct InterfaceRow {
  // What every packet asks for, on one line.
  EniIndex eni;
  AclIndex acl;
  Generation rejudge_before;
  Generation flush_before;
  bool logged = false;
  bool identified = false;
  bool rejects = false;
  bool has_primary_v4 = false;
  bool has_primary_v6 = false;
  MacAddr mac;
  VpcIndex vpc;
  SubnetIndex subnet;
  std::uint32_t policy = 0;  // the interned set of its groups, inside this snapshot
  InterfaceTracking tracking;
  IpAddr primary_v4;
  IpAddr primary_v6;
};

class PolicySnapshot {
 public:
  explicit PolicySnapshot(std::unique_ptr<const SnapshotTables> tables);
  ~PolicySnapshot();
  PolicySnapshot(const PolicySnapshot&) = delete;
  PolicySnapshot& operator=(const PolicySnapshot&) = delete;

  Generation generation() const { return generation_; }
  const TrackingSettings& tracking() const { return tracking_; }
  // How many flows the interface may track at once (CT-28); 0: as many as fit.
  std::uint32_t allowance_of(const InterfaceRow& row) const {
    return row.tracking.allowance != 0 ? row.tracking.allowance : tracking_.allowance;
  }
  ExemptProfile exempt() const { return exempt_; }
  const Layer7Settings& layer7() const;
  // What connections are identified with; null: they are not.
  const L7Tools* tools() const;
  // True if signatures want to see the first bytes of every connection.
  bool has_signatures() const { return has_signatures_; }

  // The interface, or null if this generation has none of that number. Three dependent loads.
  const InterfaceRow* find_interface(EniIndex eni) const {
    const InterfaceRow* row = interfaces_.find(eni.value());
    return row == nullptr || row->eni.is_none() ? nullptr : row;
  }
  std::size_t interface_count() const;
  // Of the least number from `from` on; null: no more.
  const InterfaceRow* next_interface(EniIndex from) const;
  // The interface that owns the address within the VPC, by itself or in a delegated prefix (SG-28);
  // none if nobody does. Peered VPCs are not looked into.
  EniIndex owner_of(VpcIndex vpc, const IpAddr& address) const;
  // The interface that owns the address in whichever VPC; none if nobody or more than one does.
  EniIndex owner_of(const IpAddr& address) const;
  // Which /16 have any address of an interface.
  const AddressBlocks& owned_blocks(Family family) const;
  // Which /16 have any address of a block of some VPC.
  const AddressBlocks& inside_blocks(Family family) const;
  // False if no two interfaces (of different VPCs) share an address, so that owner_of(address) can
  // tell. Else the policy itself has to be looked at: bump-in-the-wire devices and replay refuse
  // one where two do. O(1).
  bool may_share_addresses() const;
  // True if the address lies in one of the VPC's blocks.
  bool vpc_contains(VpcIndex vpc, const IpAddr& address) const;
  // True if it is the last address of one of the subnet's IPv4 blocks, none of which is a host or a
  // link of two (RFC 3021).
  bool is_broadcast_of(SubnetIndex subnet, const IpAddr& address) const;
  // True if the prefix list has exactly this entry.
  bool list_holds(PrefixListIndex list, const Cidr& cidr) const;
  // VPCs joined to this one by a peering.
  std::span<const VpcIndex> peers_of(VpcIndex vpc) const;
  // Memory held by the snapshot, in bytes; what it shares with others is counted in each. O(1).
  std::size_t size() const;

  const SnapshotTables& tables() const { return *tables_; }

 private:
  std::unique_ptr<const SnapshotTables> tables_;
  // What every packet asks for, nearer.
  const Generation generation_;
  const TrackingSettings tracking_;
  const ExemptProfile exempt_;
  const bool has_signatures_;
  const PersistentArray<InterfaceRow>& interfaces_;
};

}  // namespace sluice
