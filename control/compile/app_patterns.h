#pragma once

// What Hyperscan looks for in the first bytes of a connection, by application.
//
// A pattern nominates; lookup/l7_identify confirms. So patterns are short, anchored at the first
// byte, and leave to the shape tests what an expression says badly (lengths, counts). Sources: the
// RFC or the vendor's protocol page beside each.

#include <span>
#include <string_view>

#include "lookup/l7_app.h"
#include "lookup/l7_patterns.h"

namespace sluice {

struct AppPattern {
  App app;
  L7Transport transport;
  L7Side side;
  std::string_view expression;  // "." matches every byte; anchored where it begins with ^
  bool is_weak = false;         // shared with other applications: counts if nothing strong matches
};

std::span<const AppPattern> app_patterns();

}  // namespace sluice
