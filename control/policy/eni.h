#pragma once

// A network interface: where it is, which addresses it has, which groups it holds (SG-2).

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/cidr.h"
#include "control/policy/document.h"
#include "lookup/snapshot_input.h"

namespace sluice {

struct EniAddress {
  IpAddr address;
  Position at;
};

// A block that is delegated to the interface: all of its addresses are the interface's (SG-28).
struct EniPrefix {
  Cidr cidr;
  Position at;
};

struct Eni {
  std::string id;
  std::string subnet;
  std::optional<MacAddr> mac;
  std::vector<EniAddress> addresses;  // the first of each family is the primary one (FL-20)
  std::vector<EniPrefix> prefixes;
  std::vector<Reference> security_groups;
  bool groups_left_out = false;  // the VPC's default group stands in security_groups (SG-5)
  std::string instance;          // may be empty
  InterfaceTracking tracking;
  bool rejects = false;  // on_app_mismatch = "reject": both sides of a TCP connection get a RST
  Position at;
  Position subnet_at;
  Position mac_at;
  Position groups_at;
};

}  // namespace sluice
