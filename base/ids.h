#pragma once

// Tagged numbers: an index of one kind can not be passed where another kind is meant.
//
// Interface, group, rule, ACL and VPC numbers are *stable*: the control side gives a name its
// number once and never reuses it while the process lives, so flows, counters and log records may
// hold numbers across any number of policy generations.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>

namespace sluice {

// A number of kind Tag. The greatest value means "none". Trivial, ordered, hashable.
template <class Tag, class Rep = std::uint32_t>
class Id {
 public:
  using Representation = Rep;
  static constexpr Rep kNone = std::numeric_limits<Rep>::max();

  constexpr Id() = default;
  constexpr explicit Id(Rep value) : value_(value) {}

  static constexpr Id none() { return Id(kNone); }
  constexpr bool is_none() const { return value_ == kNone; }
  constexpr Rep value() const { return value_; }

  constexpr auto operator<=>(const Id&) const = default;

 private:
  Rep value_ = kNone;
};

using EniIndex = Id<struct EniTag>;                 // a network interface of the policy; < 2^24
using VpcIndex = Id<struct VpcTag>;                 // a VPC
using SubnetIndex = Id<struct SubnetTag>;           // a subnet
using GroupIndex = Id<struct GroupTag>;             // a security group
using RuleIndex = Id<struct RuleTag>;               // a security-group rule (one sgr- id)
using AclIndex = Id<struct AclTag>;                 // a network ACL; none = the VPC's default ACL
using PrefixListIndex = Id<struct PrefixListTag>;   // a prefix list
using SignatureIndex = Id<struct SignatureTag>;     // a signature of a policy
using NicIndex = Id<struct NicTag, std::uint16_t>;  // a device of the appliance, from 0
using WorkerIndex = Id<struct WorkerTag, std::uint16_t>;  // a polling worker, from 0

// The number of a published policy: 0 = none yet, then 1, 2, 3 …
class Generation {
 public:
  constexpr Generation() = default;
  constexpr explicit Generation(std::uint32_t value) : value_(value) {}
  constexpr std::uint32_t value() const { return value_; }
  constexpr Generation next() const { return Generation(value_ + 1); }
  constexpr auto operator<=>(const Generation&) const = default;

 private:
  std::uint32_t value_ = 0;
};

}  // namespace sluice

template <class Tag, class Rep>
struct std::hash<sluice::Id<Tag, Rep>> {
  std::size_t operator()(sluice::Id<Tag, Rep> id) const noexcept {
    return std::hash<Rep>()(id.value());
  }
};
