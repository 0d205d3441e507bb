#pragma once

// Who is this address, as far as rules can tell? The interface that owns it, with all groups that
// it holds, and the chain of configured prefixes that cover it.
//
// One trie for each family holds two kinds of prefixes: what rules and prefix lists name, and the
// addresses of interfaces as /32 or /128. Membership classes, not reference classes: an address
// knows its owner, and the owner's row knows *all* its groups, whoever refers to them. So a new
// rule that names a group touches no address, and attaching a group touches one row.
//
// VPCs may overlap, so an address has an owner for each VPC that uses it. Keeping one trie for all
// VPCs and sorting this out at its end costs memory once; a trie for each VPC and its peers would
// repeat every prefix list in each of them.
//
//   10.0.1.10/32 ---> owners: eni 7, eni 9 (of another VPC)    lists: none     rules: 0   *
//     inside
//   10.0.0.0/8   ---> owners: none                             lists: 2, 5     rules: 3
//
//   * the trie has it as a marked prefix: nobody wrote it down, so it is no class of its own
//
// Prefixes that are delegated to interfaces (SG-28) stand in a trie of their own, since they own
// what is inside of them whatever lies deeper. It is nearly always empty, and then never asked.
//
// Threads: as PersistentArray: one copy is a value, copies are independent.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/cache_line.h"
#include "base/cidr.h"
#include "base/ids.h"
#include "base/result.h"
#include "lookup/address_blocks.h"
#include "lookup/cidr_trie.h"
#include "lookup/persistent_array.h"

namespace sluice {

// What one prefix stands for. Sets of numbers are nearly always empty or of one: kNoNumbers, the
// number itself, or, with the top bit set, the place of a longer list.
struct PrefixFacts {
  static constexpr std::uint32_t kNoNumbers = 0xffffffffu;

  std::uint32_t owners = kNoNumbers;  // interfaces with exactly this address, or this delegation
  std::uint32_t lists = kNoNumbers;   // prefix lists with exactly this entry
  std::uint32_t rule_uses = 0;        // rules whose peer it is

  // True if somebody wrote the prefix down: a rule or a prefix list.
  bool is_configured() const { return rule_uses != 0 || lists != kNoNumbers; }
};

// One thing that a prefix begins or ceases to stand for.
struct ClassEdit {
  enum class Kind : std::uint8_t { Rule, List, Owner, Delegated };
  Cidr cidr;
  bool is_added = true;  // else taken away; what is taken away goes first
  Kind kind = Kind::Rule;
  std::uint32_t number = 0;  // of the list or interface; rules are only counted

  auto operator<=>(const ClassEdit&) const = default;
};

// The classes of one family.
class FamilyClasses {
 public:
  explicit FamilyClasses(Family family) : trie_(family), delegated_(family) {}

  const CidrTrie& trie() const { return trie_; }
  // Of an id that the trie gave out.
  const PrefixFacts& facts(PrefixId id) const { return facts_[id & ~kMarkedPrefix]; }

  // Asks for the memory of facts(id); of kNoPrefix, for that of others. Requires that the trie has
  // prefixes, so that there is a first number.
  void prefetch_facts(PrefixId id) const { prefetch_read(&facts(id == kNoPrefix ? 0 : id)); }

  const AddressBlocks& owned_blocks() const { return owned_; }

  // Prefixes that are delegated to interfaces.
  const CidrTrie& delegated() const { return delegated_; }

  // visit(EniIndex) for each owner, ascending.
  template <class Visit>
  void for_each_owner(const PrefixFacts& facts, Visit&& visit) const {
    for_each_number(facts.owners, [&](std::uint32_t number) { visit(EniIndex(number)); });
  }
  // visit(EniIndex) for each interface that has the address: by itself, then in a delegated prefix,
  // of which the shortest comes first. `longest` is what trie() finds for the address.
  template <class Visit>
  void for_each_owner_of(const IpAddr& address, PrefixId longest, Visit&& visit) const {
    if (longest != kNoPrefix) for_each_owner(facts(longest), visit);
    if (delegated_.prefix_count() == 0) return;
    delegated_.for_each_cover(address,
                              [&](PrefixId id, unsigned) { for_each_owner(facts(id), visit); });
  }
  template <class Visit>
  void for_each_list(const PrefixFacts& facts, Visit&& visit) const {
    for_each_number(facts.lists, [&](std::uint32_t number) { visit(PrefixListIndex(number)); });
  }
  // The lists of a prefix that is in more than one, ascending; else nothing.
  std::span<const std::uint32_t> many_lists(const PrefixFacts& facts) const {
    if (facts.lists < kSpilled || facts.lists == PrefixFacts::kNoNumbers) return {};
    return *spills_[facts.lists & ~kSpilled];
  }
  bool has_many_owners(const PrefixFacts& facts) const {
    return facts.owners != PrefixFacts::kNoNumbers && facts.owners >= kSpilled;
  }
  // Addresses, and delegated prefixes, that more than one interface owns.
  std::size_t shared_address_count() const { return shared_count_; }

  // Applies edits of this family, in any order. An owner or list that is there twice, or that is
  // taken away and is not there, is an Error, and the classes are worth nothing after it. Time:
  // that of sorting them, and of a path of the trie for each prefix.
  Status apply(std::vector<ClassEdit>& edits);

  // Memory held, in bytes. O(1).
  std::size_t size() const;

 private:
  using Numbers = std::vector<std::uint32_t>;
  static constexpr std::uint32_t kSpilled = 0x80000000u;

  template <class Visit>
  void for_each_number(std::uint32_t set, Visit&& visit) const {
    if (set < kSpilled) return visit(set);
    if (set == PrefixFacts::kNoNumbers) return;
    for (const std::uint32_t number : *spills_[set & ~kSpilled]) visit(number);
  }

  static std::size_t size_of(const Numbers& numbers) {
    return sizeof numbers + numbers.capacity() * sizeof(std::uint32_t);
  }
  Numbers numbers_of(std::uint32_t set) const;
  std::uint32_t store(std::uint32_t former, Numbers numbers);
  Status edit_rules(PrefixFacts& facts, std::span<const ClassEdit> edits);
  Status edit_set(PrefixFacts& facts, ClassEdit::Kind kind, std::span<const ClassEdit> edits);
  Status edit_prefix(std::span<const ClassEdit> edits, std::vector<CidrTrie::Entry>& fresh);
  Status edit_delegated(std::span<const ClassEdit> edits);
  PrefixId take_id();
  void give_back(PrefixId id);

  CidrTrie trie_;
  CidrTrie delegated_;                  // its ids are of facts_ too
  PersistentArray<PrefixFacts> facts_;  // by PrefixId without its mark; free ones are a list
  PersistentArray<std::shared_ptr<const Numbers>> spills_;
  AddressBlocks owned_;
  std::uint32_t free_prefix_ = PrefixFacts::kNoNumbers;
  std::vector<std::uint32_t> free_spills_;
  std::size_t spills_size_ = 0;  // of all lists of numbers
  std::size_t shared_count_ = 0;
};

// Both families.
struct AddressClasses {
  FamilyClasses v4{Family::Ipv4};
  FamilyClasses v6{Family::Ipv6};

  const FamilyClasses& of(Family family) const { return family == Family::Ipv4 ? v4 : v6; }
};

}  // namespace sluice
