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
    owned_ = {policy->owned_blocks(Family::Ipv4).words(),
              policy->owned_blocks(Family::Ipv6).words()};
    inside_ = {policy->inside_blocks(Family::Ipv4).words(),
               policy->inside_blocks(Family::Ipv6).words()};
    ++stamp_;
  }

  // False: the address is in no block of any VPC.
  bool may_be_inside(const IpAddr& address) const {
    return AddressBlocks::may_hold(inside_[address.is_v4() ? 0 : 1], address);
  }

  // The interface that owns the address within the VPC, or in whichever VPC where that is none, or
  // null. As PolicySnapshot::owner_of(). Asked of every packet, so a known address costs no call.
  [[gnu::always_inline]] inline const InterfaceRow* owner_of(VpcIndex vpc, const IpAddr& address) {
    if (!may_be_owned(address)) return nullptr;
    const std::uint64_t high = address.high(), low = address.low();
    const bool is_v4 = address.is_v4();
    const std::uint64_t mixed =
        (low ^ high * 0x9e3779b97f4a7c15u ^ std::uint64_t{vpc.value()} << 32) * 0xbf58476d1ce4e5b9u;
    Entry& entry = entries_[mixed >> (64 - kEntryBits)];
    const std::uint64_t asked = std::uint64_t{vpc.value()} << 32 | (2 * stamp_ + (is_v4 ? 0u : 1u));
    const bool is_known = entry.low == low && entry.asked == asked && entry.high == high;
    // Handed over as a copy: an address whose own address is taken has to lie in memory all along.
    if (!is_known) [[unlikely]]
      learn(entry, asked, vpc,
            is_v4 ? IpAddr::v4(static_cast<std::uint32_t>(low)) : IpAddr::v6(high, low));
    return entry.owner;
  }
  [[gnu::always_inline]] inline const InterfaceRow* owner_of(const IpAddr& address) {
    return owner_of(VpcIndex::none(), address);
  }

 private:
  static constexpr std::size_t kEntryBits = 11;

  struct alignas(32) Entry {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    const InterfaceRow* owner = nullptr;
    // The VPC, none for whichever, in the high half; in the low one the stamp of the policy, twice,
    // and one more for IPv6.
    std::uint64_t asked = 0;
  };

  bool may_be_owned(const IpAddr& address) const {
    return AddressBlocks::may_hold(owned_[address.is_v4() ? 0 : 1], address);
  }

  [[gnu::noinline]] void learn(Entry& entry, std::uint64_t asked, VpcIndex vpc, IpAddr address) {
    const EniIndex eni =
        vpc.is_none() ? policy_->owner_of(address) : policy_->owner_of(vpc, address);
    entry = Entry{address.high(), address.low(), policy_->find_interface(eni), asked};
  }

  const PolicySnapshot* policy_ = nullptr;
  Generation generation_;
  std::array<const std::uint64_t*, 2> owned_{};  // IPv4, IPv6: AddressBlocks::words()
  std::array<const std::uint64_t*, 2> inside_{};
  std::uint32_t stamp_ = 1;
  std::array<Entry, std::size_t{1} << kEntryBits> entries_;
};

}  // namespace sluice
