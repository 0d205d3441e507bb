#pragma once

// Whose address is this? What the policy said of the addresses that packets had of late: packets
// of live flows ask for the same few again and again, and a walk through the policy's trie costs
// more than all else that finding their interfaces does.
//
// A direct-mapped cache of one worker, 64 KiB. A policy that takes the place of another empties it
// by a number. Addresses of which no interface has any near (AddressBlocks) never enter it, so that
// a million hosts of the internet push nobody out.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/ids.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

class AddressBook {
 public:
  // At the begin of a turn: the policy that is asked from now on. Null: nobody asks.
  void open(const PolicySnapshot* policy) {
    if (policy == nullptr) return;
    if (policy == policy_ && policy->generation() == generation_) return;
    policy_ = policy;
    generation_ = policy->generation();
    owned_ = {&policy->owned_blocks(Family::Ipv4), &policy->owned_blocks(Family::Ipv6)};
    inside_ = {&policy->inside_blocks(Family::Ipv4), &policy->inside_blocks(Family::Ipv6)};
    ++stamp_;
  }

  // False: the address is in no block of any VPC.
  bool may_be_inside(const IpAddr& address) const {
    return inside_[address.is_v4() ? 0 : 1]->may_hold(address);
  }

  // The interface that owns the address within the VPC, or null. As PolicySnapshot::owner_of().
  const InterfaceRow* owner_of(VpcIndex vpc, const IpAddr& address) {
    if (!may_be_owned(address)) return nullptr;
    return recall(vpc, address, [&] { return policy_->owner_of(vpc, address); });
  }
  // In whichever VPC.
  const InterfaceRow* owner_of(const IpAddr& address) {
    if (!may_be_owned(address)) return nullptr;
    return recall(VpcIndex::none(), address, [&] { return policy_->owner_of(address); });
  }

 private:
  static constexpr std::size_t kEntryBits = 11;

  struct alignas(32) Entry {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    const InterfaceRow* owner = nullptr;
    VpcIndex vpc;             // none: whichever
    std::uint32_t stamp = 0;  // of the policy, twice, and one more for IPv6
  };

  bool may_be_owned(const IpAddr& address) const {
    return owned_[address.is_v4() ? 0 : 1]->may_hold(address);
  }

  template <class Ask>
  const InterfaceRow* recall(VpcIndex vpc, const IpAddr& address, Ask&& ask) {
    const std::uint64_t mixed =
        (address.low() ^ address.high() * 0x9e3779b97f4a7c15u ^ std::uint64_t{vpc.value()} << 32) *
        0xbf58476d1ce4e5b9u;
    Entry& entry = entries_[mixed >> (64 - kEntryBits)];
    const std::uint32_t stamp = 2 * stamp_ + (address.is_v4() ? 0u : 1u);
    const bool is_known = entry.low == address.low() && entry.high == address.high() &&
                          entry.vpc == vpc && entry.stamp == stamp;
    if (!is_known) {
      const InterfaceRow* owner = policy_->find_interface(ask());
      entry = Entry{address.high(), address.low(), owner, vpc, stamp};
    }
    return entry.owner;
  }

  const PolicySnapshot* policy_ = nullptr;
  Generation generation_;
  std::array<const AddressBlocks*, 2> owned_{};  // IPv4, IPv6
  std::array<const AddressBlocks*, 2> inside_{};
  std::uint32_t stamp_ = 1;
  std::array<Entry, std::size_t{1} << kEntryBits> entries_;
};

}  // namespace sluice
