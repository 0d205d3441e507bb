#pragma once

// A network interface: where it is, which addresses it has, which groups it holds (SG-2).

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/policy/document.h"
#include "lookup/snapshot_input.h"

namespace sluice {

struct EniAddress {
  IpAddr address;
  Position at;
};

struct Eni {
  std::string id;
  std::string subnet;
  std::optional<MacAddr> mac;
  std::vector<EniAddress> addresses;  // the first of each family is the primary one (FL-20)
  std::vector<Reference> security_groups;
  bool groups_left_out = false;  // the VPC's default group stands in security_groups (SG-5)
  std::string instance;          // may be empty
  InterfaceTimeouts tracking;
  Position at;
  Position subnet_at;
  Position mac_at;
  Position groups_at;
};

}  // namespace sluice
