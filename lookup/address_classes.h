#pragma once

// Who is this address, as far as rules can tell? Its class: the interfaces that own it, with all
// groups that they hold, and the chain of configured prefixes that cover it.
//
// One trie for each family holds two kinds of prefixes: what rules and prefix lists name, and the
// addresses of interfaces as /32 or /128. Membership classes, not reference classes: an address
// knows the policy (interned set of *all* groups) of its owner, whoever refers to them, so a new
// rule that names a group touches no address, and attaching an interface touches its own only.
//
// VPCs may overlap, so an address has an owner for each VPC that uses it, ordered by VPC. Keeping
// one trie for all VPCs and sorting this out at its end costs memory once; a trie for each VPC and
// its peers would repeat every prefix list in each of them.
//
//   10.0.1.10/32 ---> owners: [vpc 1: eni 7, policy 3] [vpc 4: eni 9, policy 3]
//     inside          lists:  none
//   10.0.0.0/8   ---> owners: none
//                     lists:  [pl 2] [pl 5]      named by a rule itself: yes
//
// Threads: immutable once built; any thread reads.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "lookup/cidr_trie.h"
#include "lookup/group_rules.h"

namespace sluice {

// An interface that holds an address.
struct AddressOwner {
  VpcIndex vpc;
  EniIndex eni;
  PolicyId policy = kNoPolicyId;

  constexpr auto operator<=>(const AddressOwner&) const = default;
};

// What the builder collects about one family.
struct ClassInput {
  struct Owner {
    IpAddr address;
    AddressOwner owner;
    auto operator<=>(const Owner&) const = default;
  };
  struct ListEntry {
    Cidr cidr;
    PrefixListIndex list;
    auto operator<=>(const ListEntry&) const = default;
  };
  std::vector<Owner> owners;
  std::vector<ListEntry> list_entries;
  std::vector<Cidr> rule_prefixes;
};

// The classes of one family.
class FamilyClasses {
 public:
  FamilyClasses() = default;
  // Orders `input` in place and forgets duplicates. Time: that of sorting it.
  FamilyClasses(Family family, ClassInput& input);

  const CidrTrie& trie() const { return trie_; }
  // Ids are positions in the order of (address, length).
  const Cidr& cidr(PrefixId id) const { return prefixes_[id]; }
  // Interfaces with exactly this address, ascending by VPC. Empty for prefixes that are no
  // interface's address.
  std::span<const AddressOwner> owners(PrefixId id) const {
    return std::span(owners_).subspan(facts_[id].owners, facts_[id + 1].owners - facts_[id].owners);
  }
  // Prefix lists that hold exactly this prefix.
  std::span<const PrefixListIndex> lists(PrefixId id) const {
    return std::span(lists_).subspan(facts_[id].lists, facts_[id + 1].lists - facts_[id].lists);
  }
  // True if some rule names the prefix itself.
  bool is_rule_peer(PrefixId id) const { return facts_[id].is_rule_peer; }
  // True if somebody wrote the prefix down: a rule or a prefix list.
  bool is_configured(PrefixId id) const { return is_rule_peer(id) || !lists(id).empty(); }

  // The owners of an address; empty if nobody owns it.
  std::span<const AddressOwner> owners_of(const IpAddr& address) const {
    const PrefixId id = trie_.find(address);
    // The longest match of an owned address is that address; other prefixes have no owners.
    return id == kNoPrefix ? std::span<const AddressOwner>() : owners(id);
  }
  // Memory held, in bytes.
  std::size_t size() const;

 private:
  // Offsets into owners_ and lists_; one more row than prefixes ends the last.
  struct Facts {
    std::uint32_t owners = 0;
    std::uint32_t lists = 0;
    bool is_rule_peer = false;
  };

  CidrTrie trie_;
  std::vector<Cidr> prefixes_;
  std::vector<Facts> facts_ = std::vector<Facts>(1);
  std::vector<AddressOwner> owners_;
  std::vector<PrefixListIndex> lists_;
};

// Both families.
struct AddressClasses {
  FamilyClasses v4;
  FamilyClasses v6;

  const FamilyClasses& of(Family family) const { return family == Family::Ipv4 ? v4 : v6; }
};

}  // namespace sluice
