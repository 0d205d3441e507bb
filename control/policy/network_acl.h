#pragma once

// A network ACL: numbered entries, the lowest that matches decides, stateless (NA-1, NA-2).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/cidr.h"
#include "base/verdict.h"
#include "control/policy/document.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// How the ACL of a subnet that names none is called in answers (product, section 11).
inline constexpr std::string_view kDefaultAclId = "default";

struct AclEntry {
  std::uint32_t rule = 0;  // 1 to 32766
  bool allow = false;
  ProtoMatch proto;
  PortMatch ports;
  Cidr cidr;
  Position at;
};

struct NetworkAcl {
  std::string id;
  std::string vpc;
  std::vector<AclEntry> ingress;
  std::vector<AclEntry> egress;
  Position at;
  Position vpc_at;

  const std::vector<AclEntry>& entries(Direction direction) const {
    return direction == Direction::Ingress ? ingress : egress;
  }
};

}  // namespace sluice
