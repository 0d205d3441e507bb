#pragma once

// A named list of CIDRs of one family (PL-1).

#include <cstdint>
#include <string>
#include <vector>

#include "base/cidr.h"
#include "control/policy/document.h"

namespace sluice {

struct PrefixListEntry {
  Cidr cidr;
  std::string description;
  Position at;
};

struct PrefixList {
  std::string id;
  std::string name;  // may be empty
  Family family = Family::Ipv4;
  std::uint32_t max_entries = 0;  // what a rule that names the list counts in quotas (SG-45)
  std::vector<PrefixListEntry> entries;
  Position at;
};

}  // namespace sluice
