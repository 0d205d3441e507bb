#pragma once

// What rules of groups and entries of ACLs have in common: protocol, ports or types, blocks of
// addresses (product, section 11; SG-11 to SG-15, NA-9, NA-10). Parts of read_rules.h.

#include <optional>
#include <string>

#include "base/cidr.h"
#include "control/policy/table_reader.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// The key `protocol`: a word or a number, as string or integer (SG-11). Missing is an error.
std::optional<ProtoMatch> read_protocol(TableReader& table);

// The keys `ports`, `type` and `code`, each where it has a meaning with that protocol and refused
// with the reason elsewhere (SG-12 to SG-15).
std::optional<PortMatch> read_port_match(TableReader& table, ProtoMatch proto);

// A CIDR in a string; host bits are cut with a note (SG-18). Errors name `what`.
std::optional<Cidr> read_cidr(const Node& node, const std::string& what, Findings& findings);

}  // namespace sluice
