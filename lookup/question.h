#pragma once

// What the policy is asked, and what it answers. The packet path, `explain`, replay and shadow
// runs all ask the same question of the same code.

#include <cstdint>

#include "base/address.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/proto.h"
#include "base/verdict.h"

namespace sluice {

// One packet at one interface, in one direction.
struct Question {
  EniIndex eni;
  Direction direction = Direction::Ingress;
  Proto proto = Proto::Tcp;
  // Destination port for tcp and udp; type << 8 | code for icmp and icmpv6; else 0.
  std::uint16_t port = 0;
  // Source port for tcp and udp: never matched by a rule, only by the exempt list (DHCP).
  std::uint16_t source_port = 0;
  // Ingress: local is the destination, remote the source; egress: the other way about.
  IpAddr local;
  IpAddr remote;
};

// What the network ACL said. Not asked: the peer is inside the subnet (NA-5), or the groups
// refused first on egress (NA-19).
struct AclAnswer {
  bool asked = false;
  bool allow = false;
  AclIndex acl;            // none: the VPC's default ACL
  std::uint32_t rule = 0;  // number of the entry; 32767 (IPv4) or 32768 (IPv6): the final deny
};

struct Decision {
  Verdict verdict = Verdict::Drop;
  By by = By::None;                        // Rule, Acl, Exempt; None when no rule allowed
  DropReason reason = DropReason::NoRule;  // None when accepted
  bool tracked = false;                    // only meaningful when accepted (CT-3, CT-4)
  // Accepted on probation: only rules that demand an application or a name admit it, `rule` is the
  // smallest of them. decide_identified() says what becomes of it.
  bool conditional = false;
  RuleIndex rule;    // the rule that allowed; none otherwise
  GroupIndex group;  // the group that holds it
  AclAnswer acl;
};

}  // namespace sluice
