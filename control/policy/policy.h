#pragma once

// The model of a policy: one account's intent, completed with what the document leaves out, with
// names for references and a place for every name.
//
// Made by control/policy/load.h, which hands out only policies that passed every check; whoever
// else makes one runs check_policy() on it. Plain data; no thread.

#include <optional>
#include <string>
#include <vector>

#include "base/cidr.h"
#include "control/policy/document.h"
#include "control/policy/eni.h"
#include "control/policy/flow_log.h"
#include "control/policy/layer7.h"
#include "control/policy/network_acl.h"
#include "control/policy/prefix_list.h"
#include "control/policy/security_group.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// A block and where it was written.
struct PlacedCidr {
  Cidr cidr;
  Position at;
};

struct Vpc {
  std::string id;
  std::vector<PlacedCidr> cidrs;
  bool cidrs_incomplete = false;  // some could not be read: nothing is concluded from them
  Position at;

  bool has_family(Family family) const {
    for (const PlacedCidr& block : cidrs) {
      if (block.cidr.family() == family) return true;
    }
    return false;
  }
};

struct Subnet {
  std::string id;
  std::string vpc;
  std::vector<PlacedCidr> cidrs;
  bool cidrs_incomplete = false;
  std::optional<Reference> network_acl;  // none: the default one, which allows all (NA-7)
  Position at;
  Position vpc_at;
};

// Two VPCs whose groups may name one another (SG-29).
struct Peering {
  Reference first;
  Reference second;
  Position at;
};

struct Policy {
  std::string account;  // empty: not given
  std::vector<Vpc> vpcs;
  std::vector<Subnet> subnets;
  std::vector<PrefixList> prefix_lists;
  std::vector<SecurityGroup> groups;  // those of the document, then the implied default groups
  std::vector<Eni> interfaces;
  std::vector<NetworkAcl> acls;
  std::vector<Peering> peerings;
  std::vector<FlowLog> flow_logs;
  std::vector<Signature> signatures;
  TrackingSettings tracking;
  ExemptProfile exempt = ExemptProfile::None;
  Layer7Settings layer7;
};

}  // namespace sluice
